/**
 * One reader per agent follows the events from the first to the last, resuming where it was when its stream breaks.
 * Whatever happened meanwhile, all have read the same: each committed change once, in the order of the log, and an
 * event for every acknowledged write.
 */
import http from "node:http";
import { delay, systemClock } from "../../src/base/clock.ts";
import { type TestAgent } from "../support/agents.ts";
import { until } from "../support/until.ts";
import { type EventLine, isAfter, place, type StreamOfAgent } from "./event-streams.ts";

const resumeMs = 200;

export class EventFollower implements StreamOfAgent {
  readonly agent: TestAgent;
  readonly events: (EventLine & { readonly id: string })[] = [];
  readonly problems: string[] = [];
  readonly #since: number;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  /** Reads events after index `since`. */
  constructor(agent: TestAgent, since: number) {
    this.agent = agent;
    this.#since = since;
    this.#done = this.#follow();
  }

  get name(): string {
    return this.agent.name;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async reached(index: number): Promise<void> {
    const what = `${this.agent.name} has streamed the events up to ${index}`;
    await until({ what }, () => (this.events.at(-1)?.index ?? 0) >= index);
  }

  async #follow(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#read().catch(() => undefined);
      await delay(systemClock, resumeMs);
    }
  }

  #read(): Promise<void> {
    const last = this.events.at(-1);
    const since = last === undefined ? `${this.#since}` : last.id;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const request = http.request({
      socketPath: this.agent.socket,
      path: `/v1/events?follow=true&since=${since}`,
      agent: false,
      signal: this.#stop.signal,
    });
    request.on("error", reject);
    request.on("response", (response) => {
      response.on("error", reject);
      response.on("close", resolve);
      if (response.statusCode === 200) {
        let rest = "";
        response.setEncoding("utf8").on("data", (text: string) => {
          const lines = (rest + text).split("\n");
          // A stream that is cut may end within a line: what is not whole was not read.
          rest = lines.pop() ?? "";
          for (const line of lines) this.#take(line);
        });
        return;
      }
      // Not ready yet, or events that are no longer kept: the latter is a hole.
      if (response.statusCode === 422)
        this.problems.push(`${this.agent.name}: events were trimmed`);
      response.resume();
    });
    request.end();
    return promise;
  }

  #take(line: string): void {
    // A heartbeat is an empty line.
    if (line === "") return;
    const event = JSON.parse(line) as EventFollower["events"][number];
    const last = this.events.at(-1);
    if (last !== undefined && !isAfter(event, last)) {
      this.problems.push(
        `${this.agent.name} streamed event ${place(event)} after ${place(last)}: twice, or out of order`,
      );
      return;
    }
    this.events.push(event);
  }
}
