/**
 * Replaces secret values in a stream by `***` before a byte is stored, wherever chunks are cut.
 *
 * An Aho–Corasick automaton over the bytes; CR and LF are invisible to it on both sides, so that a value is
 * found when the terminal turned LF into CR LF or a program wrapped it. Bytes are held back exactly while they
 * may be the beginning of a secret. Programs print values as JSON, base64 or URL text too, so these forms are
 * masked as well, and each longer line of a value of many lines.
 */
interface State {
  readonly next: Map<number, State>;
  fail: State | null;
  /** Length of the path from the root, in visible bytes. */
  readonly depth: number;
  /** Longest pattern that ends here, through failure links too; 0 when none does. */
  matched: number;
}

const stars = Buffer.from("***");
const lineFeed = 10;
const carriageReturn = 13;
/** Lines shorter than this, in a value of many lines, are too common to mask alone (`}`, `EOF`). */
const shortestLine = 8;

export class SecretMask {
  readonly #root: State | null;
  #state: State;
  /** Bytes not passed on yet, which of them are secret, and where the visible ones among them stand. */
  #held: number[] = [];
  #secret: boolean[] = [];
  #visible: number[] = [];
  #lastWasSecret = false;

  constructor(values: readonly string[]) {
    const patterns = values.flatMap(formsOf).filter((pattern) => pattern.length > 0);
    this.#root = patterns.length === 0 ? null : buildAutomaton(patterns);
    this.#state = this.#root ?? emptyState(0);
  }

  /** Takes output in and gives what is safe to store. */
  push(bytes: Uint8Array): Uint8Array {
    if (this.#root === null) return bytes;
    if (this.#held.length === 0 && !this.#mayBegin(bytes, this.#root)) {
      this.#lastWasSecret = false;
      return bytes;
    }
    for (const byte of bytes) this.#take(byte, this.#root);
    const safe = this.#visible.length - this.#state.depth;
    return this.#release(this.#visible[safe] ?? this.#held.length);
  }

  /** What was held back, at the end of the stream: a beginning of a secret that never became one. */
  end(): Uint8Array {
    return this.#release(this.#held.length);
  }

  /** The fast way: most output holds no byte a secret begins with. */
  #mayBegin(bytes: Uint8Array, root: State): boolean {
    return bytes.some((byte) => root.next.has(byte));
  }

  #take(byte: number, root: State): void {
    this.#held.push(byte);
    this.#secret.push(false);
    if (byte === lineFeed || byte === carriageReturn) return;
    this.#visible.push(this.#held.length - 1);
    this.#state = step(this.#state, byte, root);
    const { matched } = this.#state;
    if (matched === 0) return;
    const from = this.#visible[this.#visible.length - matched] ?? 0;
    this.#secret.fill(true, from);
  }

  /** Passes on the first `count` held bytes, each row of secret ones as one mask. */
  #release(count: number): Uint8Array {
    const out = Buffer.allocUnsafe(count * 3);
    let length = 0;
    for (let i = 0; i < count; i += 1) {
      const secret = this.#secret[i] === true;
      if (!secret) out[length++] = this.#held[i] ?? 0;
      else if (!this.#lastWasSecret) length += stars.copy(out, length);
      this.#lastWasSecret = secret;
    }
    this.#held = this.#held.slice(count);
    this.#secret = this.#secret.slice(count);
    this.#visible = this.#visible.filter((at) => at >= count).map((at) => at - count);
    return out.subarray(0, length);
  }
}

function formsOf(value: string): Buffer[] {
  const forms = new Set([value, JSON.stringify(value).slice(1, -1)]);
  const bytes = Buffer.from(value, "utf8");
  if (bytes.length >= shortestLine) {
    forms.add(bytes.toString("base64").replace(/=+$/, ""));
    forms.add(encodeURIComponent(bytes.toString("utf8")));
  }
  const lines = value.split(/\r?\n/);
  if (lines.length > 1) {
    for (const line of lines) if (line.trim().length >= shortestLine) forms.add(line.trim());
  }
  return [...forms].map((form) => Buffer.from(form.replace(/[\r\n]/g, ""), "utf8"));
}

function emptyState(depth: number): State {
  return { next: new Map(), fail: null, depth, matched: 0 };
}

function step(from: State, byte: number, root: State): State {
  for (let state: State | null = from; state !== null; state = state.fail) {
    const next = state.next.get(byte);
    if (next !== undefined) return next;
  }
  return root;
}

function buildAutomaton(patterns: readonly Buffer[]): State {
  const root = emptyState(0);
  for (const pattern of patterns) {
    let state = root;
    for (const byte of pattern) {
      let next = state.next.get(byte);
      if (next === undefined) {
        next = emptyState(state.depth + 1);
        state.next.set(byte, next);
      }
      state = next;
    }
    state.matched = state.depth;
  }
  linkFailures(root);
  return root;
}

/** Breadth first, so that a state's failure state is finished before it. */
function linkFailures(root: State): void {
  const queue = [root];
  for (const state of queue) {
    for (const [byte, next] of state.next) {
      next.fail = state.fail === null ? root : step(state.fail, byte, root);
      next.matched = Math.max(next.matched, next.fail.matched);
      queue.push(next);
    }
  }
}
