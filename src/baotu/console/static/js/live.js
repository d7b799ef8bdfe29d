/**
 * One live channel for the page: who wants a tag is told its newest value, with the next frame. A value
 * that moves on waits until it was readable, and all wait while painting is dear; no list of old ones grows.
 */

const READABLE_MS = 450; // a tag moves at most twice a second; one that stands still is no move
const SHARE = 0.2; // of the time at most goes into painting
const SILENT_MS = 15000;

class Live extends EventTarget {
  wants = new Map(); // name → Set of listeners
  last = new Map(); // name → {value, time, quality, moved}
  later = new Map(); // name → the newest that was heard and not yet shown
  free = 0; // painting may begin again, by performance.now()
  heard = Date.now();
  state = "opening";
  wait = 250;

  open() {
    if (this.socket) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/live?time=ms`);
    this.socket = socket;
    socket.onopen = () => {
      this.wait = 250;
      this.say({ subscribe: [...this.wants.keys()] });
      this.tell("live");
    };
    socket.onmessage = (message) => this.hear(JSON.parse(message.data));
    socket.onclose = () => {
      this.socket = null;
      this.tell("lost");
      setTimeout(() => this.open(), (this.wait = Math.min(this.wait * 2, 5000)));
    };
    this.timer ??= setInterval(() => this.listen(), 1000);
  }

  tell(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  say(wish) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(wish));
  }

  listen() {
    if (this.state === "live" && this.wants.size && Date.now() - this.heard > SILENT_MS) this.tell("silent");
  }

  hear(told) {
    this.heard = Date.now();
    if (told.changed) this.dispatchEvent(new CustomEvent("changed", { detail: told.changed }));
    if (!told.tag) return;
    this.tell("live");
    for (let n = 0; n < told.tag.length; n++) {
      const name = told.tag[n];
      if (this.wants.has(name)) this.later.set(name, { value: told.value[n], time: told.time[n], quality: told.quality[n] });
    }
    this.plan();
  }

  /** Paint with the first frame in which something may be shown. */
  plan() {
    if (this.planned || !this.later.size) return;
    this.planned = true;
    const now = performance.now();
    let due = Infinity;
    for (const [name, sample] of this.later) if ((due = Math.min(due, this.due(name, sample))) <= now) break;
    setTimeout(() => requestAnimationFrame(() => this.paint()), Math.max(due, this.free) - now);
  }

  /** When this sample may be shown, by performance.now(). */
  due(name, sample) {
    const known = this.last.get(name);
    return known && moved(known, sample) ? known.moved + READABLE_MS : 0;
  }

  paint() {
    const began = performance.now();
    afterFrame(() => {
      const now = performance.now();
      this.free = now + (now - began) * (1 / SHARE - 1);
      this.planned = false;
      this.plan();
    });
    for (const [name, sample] of this.later) if (this.due(name, sample) <= began) this.show(name, sample, began);
  }

  show(name, sample, now) {
    const known = this.last.get(name);
    sample.moved = known && !moved(known, sample) ? known.moved : now;
    this.last.set(name, sample);
    this.later.delete(name);
    for (const listener of this.wants.get(name)) listener(sample, name);
  }

  /** listener({value, time, quality}, name); returns the way to stop. */
  watch(names, listener) {
    const fresh = [];
    for (const name of names) {
      if (!this.wants.has(name)) {
        this.wants.set(name, new Set());
        fresh.push(name);
      } else if (this.last.has(name)) listener(this.last.get(name), name);
      this.wants.get(name).add(listener);
    }
    if (fresh.length) this.say({ subscribe: fresh });
    this.open();
    return () => {
      const left = names.filter((name) => {
        this.wants.get(name)?.delete(listener);
        return this.wants.get(name)?.size === 0;
      });
      left.forEach((name) => (this.wants.delete(name), this.last.delete(name), this.later.delete(name)));
      if (left.length) this.say({ unsubscribe: left });
    };
  }
}

const moved = (known, sample) => known.value !== sample.value || known.quality !== sample.quality;

/** Runs work when the frame that is being drawn has been laid out and painted. */
function afterFrame(work) {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => (port1.close(), work());
  port2.postMessage(0);
}

export const live = new Live();
