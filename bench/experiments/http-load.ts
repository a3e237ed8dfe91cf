/**
 * Writes, and linearizable reads, through the API of the leader, beside etcd's leader in the same minutes: over HTTP
 * against Muster; over gRPC, and over etcd's own HTTP gateway as a second column, against etcd.
 */
import { EtcdClient } from "../etcd-client.ts";
import { EtcdCluster } from "../etcd.ts";
import { type Experiment, median, round, type Row, type Settings } from "../experiment.ts";
import { type LoadResult } from "../load.ts";
import { MusterCluster } from "../muster.ts";
import { cpuSeconds } from "../process-cpu.ts";
import { runWrk } from "../wrk.ts";

type Kind = "put" | "get";

interface Measured extends LoadResult {
  /** CPU of the three members for one operation. */
  readonly cpuUs: number;
}

/** Unmeasured load at first: a JIT compiles what runs often, as in an agent that has run for a while. */
const warmUp = { clients: 64, seconds: 10 };
let runs = 0;

class Contest {
  readonly #muster: MusterCluster;
  readonly #etcd: EtcdCluster;
  readonly #client: EtcdClient;

  constructor(muster: MusterCluster, etcd: EtcdCluster, client: EtcdClient) {
    this.#muster = muster;
    this.#etcd = etcd;
    this.#client = client;
  }

  async muster(kind: Kind, clients: number, seconds: number): Promise<Measured> {
    const { apiPort: port } = await this.#muster.leader();
    const args = [this.#muster.token, String((runs += 1))];
    const script = `muster-${kind}` as const;
    return withCpu(this.#muster.pids, () => runWrk({ script, port, clients, seconds, args }));
  }

  async etcd(mode: Kind, clients: number, seconds: number): Promise<Measured> {
    const port = await this.#etcd.leaderPort();
    return withCpu(this.#etcd.pids, () => this.#client.run({ mode, port, clients, seconds }));
  }

  async gateway(kind: Kind, clients: number, seconds: number): Promise<Measured> {
    const port = await this.#etcd.leaderPort();
    const args = [String((runs += 1))];
    const script = `etcd-${kind}` as const;
    return withCpu(this.#etcd.pids, () => runWrk({ script, port, clients, seconds, args }));
  }
}

async function withCpu(
  pids: readonly number[],
  load: () => Promise<LoadResult>,
): Promise<Measured> {
  const total = (): number => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const [before, begun] = [total(), performance.now()];
  const result = await load();
  const seconds = (performance.now() - begun) / 1000;
  return { ...result, cpuUs: ((total() - before) * 1e6) / (result.perSecond * seconds) };
}

async function contest(kind: Kind, { rounds, seconds, clients, note }: Settings): Promise<Row[]> {
  await using muster = await MusterCluster.start();
  await using etcd = await EtcdCluster.start();
  await using client = await EtcdClient.build();
  const run = new Contest(muster, etcd, client);
  for (const system of ["muster", "etcd"] as const) {
    await run[system]("put", warmUp.clients, warmUp.seconds);
    if (kind === "get") await run[system]("get", warmUp.clients, warmUp.seconds);
  }
  const rows: Row[] = [];
  for (const count of clients) {
    const results: Record<"muster" | "etcd" | "gateway", Measured[]> = {
      ...{ muster: [], etcd: [], gateway: [] },
    };
    for (let i = 0; i < rounds; i += 1) {
      for (const system of ["muster", "etcd", "gateway"] as const) {
        const result = await run[system](kind, count, seconds);
        results[system].push(result);
        note(`${kind} ${count} ${system}: ${round(result.perSecond)}/s, ${result.errors} errors`);
      }
    }
    rows.push(rowOf(count, results));
  }
  return rows;
}

function rowOf(
  clients: number,
  results: Readonly<Record<"muster" | "etcd" | "gateway", readonly Measured[]>>,
): Row {
  const of = (system: keyof typeof results, key: keyof Measured): number =>
    median(results[system].map((result) => result[key]));
  const versus = (key: keyof Measured): string => {
    const [ours, theirs] = [of("muster", key), of("etcd", key)];
    return `${round(ours)} : ${round(theirs)} = ${round(ours / theirs)}`;
  };
  const gateway = of("gateway", "perSecond");
  const errors = Object.values(results).map((some) =>
    some.reduce((sum, result) => sum + result.errors, 0),
  );
  return {
    clients,
    "per second": versus("perSecond"),
    "p50 ms": versus("p50Ms"),
    "p99 ms": versus("p99Ms"),
    "members' CPU, us each": versus("cpuUs"),
    "etcd's HTTP gateway, per second": `${round(gateway)} (ratio ${round(of("muster", "perSecond") / gateway)})`,
    "generators' cores": `${round(of("muster", "generatorCores"))} : ${round(of("etcd", "generatorCores"))}`,
    "errors M : E : G": errors.join(" : "),
  };
}

export const writes: Experiment = {
  name: "writes",
  about: "PUT of 256-byte values through the leader's API; Muster : etcd over gRPC = ratio",
  needs: ["etcd", "wrk", "go"],
  run: (settings) => contest("put", settings),
};

export const reads: Experiment = {
  name: "reads",
  about:
    "linearizable GET of such values through the leader's API; Muster : etcd over gRPC = ratio",
  needs: ["etcd", "wrk", "go"],
  run: (settings) => contest("get", settings),
};
