/** The session of whoever looks: it lives while somebody is at the screen, and ends on demand. */
import { base, send } from "./core.js";

const PAUSE_MS = 60_000;
let last = Date.now();

/** What a page asks for by itself keeps no session alive; a hand on the screen does. */
export function keepAlive() {
  const touched = () => {
    if (Date.now() - last < PAUSE_MS) return;
    last = Date.now();
    send("me/alive", {}).catch(() => {}); // the next thing that is asked for tells what is wrong
  };
  for (const kind of ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"]) addEventListener(kind, touched, { passive: true });
}

export async function signOut() {
  await send("sign-out", {}).catch(() => {});
  location.replace(`${base}/sign-in`);
}
