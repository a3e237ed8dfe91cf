/**
 * What agents write about members, stamped when the line arrives: serf's own stamps are whole seconds. Each agent's
 * log is read as it grows.
 */
import { closeSync, type FSWatcher, openSync, readSync, watch, writeFileSync } from "node:fs";

export interface MemberEvent {
  /** performance.now() at which the line was seen. */
  readonly at: number;
  readonly observer: string;
  /** Of the observer itself: it listens (`up`), it leads (`leads`), it tells the inventory of losses (`reports`). */
  readonly kind: "join" | "failed" | "left" | "suspect" | "up" | "leads" | "reports";
  readonly subject: string;
}

type Parse = (line: string) => Pick<MemberEvent, "kind" | "subject"> | null;

interface Tail {
  readonly watcher: FSWatcher;
  readonly descriptor: number;
  position: number;
  rest: string;
}

export class MemberEventLog {
  readonly #parse: Parse;
  readonly #tails = new Map<string, Tail>();
  readonly #views = new Map<string, Set<string>>();
  #events: MemberEvent[] = [];

  constructor(parse: Parse) {
    this.#parse = parse;
  }

  /** Reads what `observer` appends to `file` from now on; its view starts empty. */
  follow(observer: string, file: string): void {
    this.#views.set(observer, new Set([observer]));
    if (this.#tails.has(observer)) return;
    writeFileSync(file, "", { flag: "a" });
    const descriptor = openSync(file, "r");
    const watcher = watch(file, () => this.#read(observer));
    this.#tails.set(observer, { watcher, descriptor, position: 0, rest: "" });
  }

  /** Whom `observer` takes for alive, itself included. */
  view(observer: string): ReadonlySet<string> {
    return this.#views.get(observer) ?? new Set();
  }

  /** The agent of this observer is gone: what it believed is, too. */
  forget(observer: string): void {
    this.#views.set(observer, new Set([observer]));
  }

  get mark(): number {
    return this.#events.length;
  }

  since(mark: number): readonly MemberEvent[] {
    return this.#events.slice(mark);
  }

  close(): void {
    for (const { watcher, descriptor } of this.#tails.values()) {
      watcher.close();
      closeSync(descriptor);
    }
    this.#tails.clear();
  }

  #read(observer: string): void {
    const tail = this.#tails.get(observer);
    if (tail === undefined) return;
    const buffer = Buffer.alloc(65_536);
    for (;;) {
      const count = readSync(tail.descriptor, buffer, 0, buffer.length, tail.position);
      if (count === 0) break;
      tail.position += count;
      tail.rest += buffer.toString("latin1", 0, count);
    }
    const lines = tail.rest.split("\n");
    tail.rest = lines.pop() ?? "";
    const at = performance.now();
    for (const line of lines) {
      const found = this.#parse(line);
      if (found !== null) this.#add({ at, observer, ...found });
    }
  }

  #add(event: MemberEvent): void {
    const view = this.#views.get(event.observer);
    // One that was only suspected is "alive again" too, and never was away.
    if (event.kind === "join" && view?.has(event.subject) === true) return;
    this.#events.push(event);
    if (event.kind === "join") view?.add(event.subject);
    else if (event.kind === "failed" || event.kind === "left") view?.delete(event.subject);
  }
}
