/**
 * Prometheus metrics, one registry per agent. Subsystems add sources: callbacks that are read when somebody asks,
 * so that nothing is counted twice or kept up to date for nobody.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { type Clock } from "../base/clock.ts";
import { RequestDurations } from "./request-durations.ts";

/** One value per set of labels. */
export interface Sample {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface Source {
  /** `muster_<subsystem>_<what>_<unit>`; counters end in `_total`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  readonly read: () => number | readonly Sample[];
}

const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export class Metrics {
  readonly #registry = new Registry();
  readonly #clock: Clock;
  readonly #requests = new RequestDurations(buckets);
  readonly #streams: Gauge;

  constructor(deps: { readonly clock: Clock }) {
    this.#clock = deps.clock;
    const registers = [this.#registry];
    this.#streams = new Gauge({
      name: "muster_api_open_streams",
      help: "Event and log streams that are open",
      registers,
    });
    this.gauge({
      name: "muster_process_resident_memory_bytes",
      help: "Memory of the agent's process",
      read: () => process.memoryUsage.rss(),
    });
    this.gauge({
      name: "muster_process_heap_used_bytes",
      help: "Used part of the heap of the agent's process, garbage that was not collected yet included",
      read: () => process.memoryUsage().heapUsed,
    });
    this.gauge({
      name: "muster_process_external_bytes",
      help: "Memory outside the heap that objects on it hold, such as buffers",
      read: () => process.memoryUsage().external,
    });
    this.counter({
      name: "muster_process_cpu_seconds_total",
      help: "CPU time of the agent's process, user and system",
      read: () => (process.cpuUsage().user + process.cpuUsage().system) / 1e6,
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Adds a value that goes up and down. */
  gauge(source: Source): void {
    const { name, help, labels = [], read } = source;
    const gauge: Gauge<string> = new Gauge({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      collect: () => {
        gauge.reset();
        for (const sample of samplesOf(read())) gauge.set({ ...sample.labels }, sample.value);
      },
    });
  }

  /** Adds a value that its owner only counts up. */
  counter(source: Source): void {
    const { name, help, labels = [], read } = source;
    const counter: Counter<string> = new Counter({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      collect: () => {
        counter.reset();
        for (const sample of samplesOf(read())) counter.inc({ ...sample.labels }, sample.value);
      },
    });
  }

  /** A duration that its owner measures: call the answer with seconds. */
  histogram(source: Omit<Source, "read" | "labels">): (seconds: number) => void {
    const { name, help } = source;
    const histogram = new Histogram({ name, help, buckets, registers: [this.#registry] });
    return (seconds) => histogram.observe(seconds);
  }

  /** The time now, to be given to `requestEnded`. */
  requestBegins(): number {
    return this.#clock.monotonicMs();
  }

  requestEnded(begunMs: number, route: string, method: string, status: number): void {
    const seconds = (this.#clock.monotonicMs() - begunMs) / 1000;
    this.#requests.observe(route, method, status, seconds);
  }

  setOpenStreams(count: number): void {
    this.#streams.set(count);
  }

  async text(): Promise<string> {
    return `${this.#requests.text()}\n${await this.#registry.metrics()}`;
  }
}

function samplesOf(read: number | readonly Sample[]): readonly Sample[] {
  return typeof read === "number" ? [{ value: read }] : read;
}
