/**
 * How long requests take, as a Prometheus histogram per route, method and status. Counted here and not by prom-client,
 * which checks, sorts and joins the labels of every single observation: that costs more than the rest of a hook.
 */
interface Series {
  readonly labels: string;
  /** Per bucket, not cumulative; the last one has no upper bound. */
  readonly counts: number[];
  sum: number;
}

const name = "muster_api_request_duration_seconds";
const help = "Time from a request's head to the end of its answer; streams are left out";

export class RequestDurations {
  readonly #bounds: readonly number[];
  readonly #routes = new Map<string, Map<string, Map<number, Series>>>();

  /** @param bounds upper bounds in seconds, ascending. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
  }

  /** Route and method come from the contract and the HTTP parser: nothing in them needs escaping. */
  observe(route: string, method: string, status: number, seconds: number): void {
    const series = this.#series(route, method, status);
    let at = 0;
    while (at < this.#bounds.length && seconds > (this.#bounds[at] ?? Infinity)) at += 1;
    series.counts[at] = (series.counts[at] ?? 0) + 1;
    series.sum += seconds;
  }

  /** In Prometheus' text format. */
  text(): string {
    const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
    for (const methods of this.#routes.values()) {
      for (const statuses of methods.values()) {
        for (const series of statuses.values()) lines.push(...this.#linesOf(series));
      }
    }
    return `${lines.join("\n")}\n`;
  }

  *#linesOf({ labels, counts, sum }: Series): Generator<string> {
    let count = 0;
    for (const [at, more] of counts.entries()) {
      count += more;
      yield `${name}_bucket{le="${this.#bounds[at] ?? "+Inf"}",${labels}} ${count}`;
    }
    yield `${name}_sum{${labels}} ${sum}`;
    yield `${name}_count{${labels}} ${count}`;
  }

  #series(route: string, method: string, status: number): Series {
    const methods = getOrMake(this.#routes, route, () => new Map<string, Map<number, Series>>());
    const statuses = getOrMake(methods, method, () => new Map<number, Series>());
    return getOrMake(statuses, status, () => ({
      labels: `route="${route}",method="${method}",status="${status}"`,
      counts: Array.from({ length: this.#bounds.length + 1 }, () => 0),
      sum: 0,
    }));
  }
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
