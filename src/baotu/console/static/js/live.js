/** One live channel for the page: who wants a tag is told its newest value, at most twice a second. */

const GAP_MS = 450;
const SILENT_MS = 15000;

class Live extends EventTarget {
  wants = new Map(); // name → Set of listeners
  last = new Map(); // name → {value, time, quality, shown}
  later = new Map();
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
    this.timer ??= setInterval(() => this.flush(), 100);
  }

  tell(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  say(wish) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(wish));
  }

  hear(told) {
    this.heard = Date.now();
    if (told.changed) this.dispatchEvent(new CustomEvent("changed", { detail: told.changed }));
    if (!told.tag) return;
    this.tell("live");
    for (let n = 0; n < told.tag.length; n++) {
      const name = told.tag[n];
      const sample = { value: told.value[n], time: told.time[n], quality: told.quality[n] };
      const known = this.last.get(name);
      if (known && this.heard - known.shown < GAP_MS) this.later.set(name, sample);
      else this.show(name, sample);
    }
  }

  show(name, sample) {
    sample.shown = Date.now();
    this.last.set(name, sample);
    this.later.delete(name);
    for (const listener of this.wants.get(name) ?? []) listener(sample, name);
  }

  flush() {
    const now = Date.now();
    for (const [name, sample] of this.later) if (now - this.last.get(name).shown >= GAP_MS) this.show(name, sample);
    if (this.state === "live" && this.wants.size && now - this.heard > SILENT_MS) this.tell("silent");
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

export const live = new Live();
