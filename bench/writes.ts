/**
 * Inventory writes through the API, and the gap after SIGKILL of the leader, beside etcd in the same run.
 *
 *   node bench/writes.ts [--rounds 3] [--seconds 4]
 *
 * Both clusters have three members on loopback and fsync on; both take the same 256-byte values from the same
 * generator over HTTP and JSON. Prints medians and the ratio Muster : etcd; more is better for rates, less
 * for times.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { TestCluster } from "../test/support/agents.ts";
import { until } from "../test/support/until.ts";
import { EtcdCluster, etcdInstalled, etcdPut } from "./etcd.ts";
import { type LoadResult, median, type RequestSpec, runLoad, send, type Target } from "./load.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "4" },
    clients: { type: "string", default: "1,16,128" },
  },
});
const rounds = Number(values.rounds);
const measureMs = Number(values.seconds) * 1000;
const value = "x".repeat(256);
const keysPerClient = 32;

const musterPut = (client: number, n: number): RequestSpec => ({
  method: "PUT",
  path: `/v1/vars/bench-${client}-${n % keysPerClient}`,
  body: JSON.stringify({ value }),
});
const etcdRequest = (client: number, n: number): RequestSpec =>
  etcdPut(`bench-${client}-${n % keysPerClient}`, value);

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/**
 * Milliseconds from the kill until a write succeeds. Open loop: a new write every few milliseconds, whatever became
 * of the earlier ones, since a server may sit on a request for seconds before it refuses it.
 */
async function gap(
  targets: readonly Target[],
  request: (n: number) => RequestSpec,
  kill: () => Promise<void>,
): Promise<number> {
  await kill();
  const begun = performance.now();
  const state: { firstMs: number | null } = { firstMs: null };
  let n = 0;
  await until({ what: "a write succeeds after the kill", everyMs: 10 }, () => {
    const target = targets[n % targets.length];
    n += 1;
    if (target !== undefined) {
      void send(target, false, request(n)).then((ok) => {
        if (ok) state.firstMs ??= performance.now() - begun;
      });
    }
    return state.firstMs;
  });
  return state.firstMs ?? 0;
}

async function measureThroughput(muster: TestCluster, etcd: EtcdCluster): Promise<void> {
  for (const clients of values.clients.split(",").filter(Boolean).map(Number)) {
    const ours: LoadResult[] = [];
    const theirs: LoadResult[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const common = { clients, warmUpMs: 1000, measureMs };
      const socketPath = (await muster.leader()).socket;
      ours.push(await runLoad({ ...common, target: { socketPath }, request: musterPut }));
      const port = await etcd.leaderPort();
      theirs.push(await runLoad({ ...common, target: { port }, request: etcdRequest }));
    }
    printRow(clients, ours, theirs);
  }
}

function printRow(
  clients: number,
  ours: readonly LoadResult[],
  theirs: readonly LoadResult[],
): void {
  const pick = (results: readonly LoadResult[], key: "perSecond" | "p50Ms" | "p99Ms"): number =>
    median(results.map((result) => result[key]));
  const cells = (["perSecond", "p50Ms", "p99Ms"] as const).map((key) => {
    const [a, b] = [pick(ours, key), pick(theirs, key)];
    return `${a} : ${b} = ${(a / b).toFixed(2)}`;
  });
  const errors = [...ours, ...theirs].reduce((sum, result) => sum + result.errors, 0);
  print(`| ${clients} | ${cells.join(" | ")} | ${errors} |`);
}

async function measureFailover(muster: TestCluster, etcd: EtcdCluster): Promise<void> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const leader = await muster.leader();
    const rest = muster.agents.filter((agent) => agent !== leader);
    const sockets = rest.map((agent) => ({ socketPath: agent.socket }));
    const kill = async (): Promise<void> => void (await leader.kill("SIGKILL"));
    ours.push(await gap(sockets, (n) => musterPut(0, n), kill));
    muster.restart(leader);
    await muster.settled(muster.agents.length);

    const port = await etcd.leaderPort();
    const ports = etcd.ports.filter((other) => other !== port).map((other) => ({ port: other }));
    theirs.push(
      await gap(
        ports,
        (n) => etcdRequest(0, n),
        () => etcd.kill(port),
      ),
    );
    await etcd.restart(port);
  }
  const [a, b] = [median(ours), median(theirs)];
  print(`\nSIGKILL of the leader to the next successful write, median of ${rounds}:`);
  print(`Muster ${a.toFixed(0)} ms : etcd ${b.toFixed(0)} ms = ${(a / b).toFixed(2)}`);
  print(
    `Muster: ${ours.map((ms) => ms.toFixed(0)).join(" ")}; etcd: ${theirs.map((ms) => ms.toFixed(0)).join(" ")}`,
  );
}

if (!etcdInstalled()) {
  print("etcd is not installed (Debian: apt-get install etcd-server); nothing measured");
  process.exitCode = 1;
} else {
  await using muster = await TestCluster.start({ size: 3 });
  await using etcd = await EtcdCluster.start();
  print("| clients | writes/s Muster : etcd | p50 ms | p99 ms | errors |");
  print("|---|---|---|---|---|");
  await measureThroughput(muster, etcd);
  await measureFailover(muster, etcd);
}
