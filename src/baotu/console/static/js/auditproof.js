/** A record's proof, judged here in the browser: RFC 9162, 2.1.3.2, over SHA-256. Trusts no word of the server. */

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);
const hash = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer()));

/** What a c2sp.org/tlog-proof says: the record, its place, the hashes on the way, the checkpoint. */
function read(text) {
  const [head, ...rest] = text.split("\n\n");
  const [version, extra, index, ...path] = head.split("\n");
  const [origin, size, root] = rest.join("\n\n").split("\n");
  if (version !== "c2sp.org/tlog-proof@v1") throw new Error("proof");
  return { entry: bytes(extra.slice("extra ".length)), index: Number(index.slice("index ".length)), path: path.map(bytes), origin, size: Number(size), root: bytes(root) };
}

/** The record (parsed) when its hashes lead to the root of the checkpoint; null when they do not. */
export async function judged(text) {
  const { entry, index, path, size, root } = read(text);
  let at = index, last = size - 1, now = await hash(Uint8Array.of(0), entry);
  for (const other of path) {
    if (last === 0) return null;
    if (at % 2 || at === last) {
      now = await hash(Uint8Array.of(1), other, now);
      while (at && at % 2 === 0) (at = Math.floor(at / 2)), (last = Math.floor(last / 2));
    } else now = await hash(Uint8Array.of(1), now, other);
    (at = Math.floor(at / 2)), (last = Math.floor(last / 2));
  }
  return last === 0 && same(now, root) ? JSON.parse(new TextDecoder().decode(entry)) : null;
}

/** Browsers hash only on pages that came over TLS or from this machine. */
export const able = () => Boolean(globalThis.crypto?.subtle);
