/**
 * Membership beside Debian's serf: real agents on hosts of their own (network namespaces) and the same faults for both,
 * one fleet after the other in the same minutes, or with `--together` at the same moments, each on a network of its own.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { errorMessage } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { run } from "../../test/support/lab/command.ts";
import { LabNetwork } from "../../test/support/lab/network.ts";
import { removeOrphans } from "../../test/support/lab/owner.ts";
import { whyNoLab } from "../../test/support/lab/requirements.ts";
import { help, understood, whole } from "../../test/support/tool-options.ts";
import { bundle } from "../../tools/bundle.ts";
import { converged, type Settings } from "./experiment.ts";
import { bootstrap } from "./experiments/calm.ts";
import { groups, known, type Group } from "./experiments/table.ts";
import { type Fleet } from "./fleet.ts";
import { MusterFleet } from "./muster-fleet.ts";
import { type Row, tableText } from "./report.ts";
import { SerfFleet } from "./serf-fleet.ts";

const usage = `usage: npm run bench:membership -- [EXPERIMENT,…|all] [--hosts N] [--rounds N] [--seconds N]
         [--lane fallback|streams|udp|all] [--only muster|serf] [--together] [--batch N] [--seed N] [--json FILE]
experiments: all, ${known.join(", ")}
`;
const { values, chosen, numbers } = understood(usage, () => {
  const parsed = parseArgs({
    allowPositionals: true,
    options: {
      hosts: { type: "string", default: "20" },
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "60" },
      batch: { type: "string", default: "250" },
      lane: { type: "string", default: "fallback" },
      only: { type: "string" },
      together: { type: "boolean", default: false },
      seed: { type: "string", default: "1" },
      json: { type: "string" },
      help,
    },
  });
  const { hosts, rounds, seconds, batch, seed } = parsed.values;
  const numbers = {
    hosts: whole("hosts", hosts, 1),
    rounds: whole("rounds", rounds, 1),
    seconds: whole("seconds", seconds, 1),
    batch: whole("batch", batch, 1),
    seed: whole("seed", seed),
  };
  return { ...parsed, chosen: groups(parsed.positionals), numbers };
});

/** Columns of our own figures, and what `--gossip-udp` is there. */
const lanes = { muster: "fallback", "muster-streams": "off", "muster-udp": "on" } as const;
type Label = keyof typeof lanes | "serf";
const interrupted = new AbortController();

function labels(): readonly Label[] {
  const byName: Readonly<Record<string, readonly (keyof typeof lanes)[]>> = {
    fallback: ["muster"],
    streams: ["muster-streams"],
    udp: ["muster-udp"],
    all: ["muster", "muster-streams", "muster-udp"],
  };
  const ours = byName[values.lane];
  if (ours === undefined) throw new Error("--lane is fallback, streams, udp or all");
  if (values.only === "muster") return ours;
  return values.only === "serf" ? ["serf"] : [...ours, "serf"];
}

async function createFleet(label: Label, network: LabNetwork, group: Group): Promise<Fleet> {
  if (label === "serf") return SerfFleet.create(network, group.options);
  return MusterFleet.create(network, { label, lane: lanes[label], ...group.options });
}

/** Rows are there as soon as they are measured, whatever comes after. */
async function measure(label: Label, group: Group, rows: Row[]): Promise<void> {
  const count = Math.min(numbers.hosts, group.hostsMax);
  const hosts = Array.from({ length: count }, (_, i) => `h${i + 1}`);
  const settings: Settings = {
    ...numbers,
    random: seededRandom(numbers.seed),
    signal: interrupted.signal,
  };
  await using network = await LabNetwork.create(hosts);
  await network.introduce();
  if (group.options.discovery === true) await network.routeMulticast();
  await using fleet = await createFleet(label, network, group);
  for (const [name, experiment] of [[group.birth, bootstrap] as const, ...group.experiments]) {
    const load = loadavg()[0] ?? 0;
    try {
      for (const found of await experiment(fleet, settings)) {
        rows.push({ experiment: name, measure: found.name, label, load, hosts: count, ...found });
        process.stderr.write(`${label} ${name}: ${found.name} ${found.values.join(" ")}\n`);
      }
    } catch (error) {
      interrupted.signal.throwIfAborted();
      if (name === group.birth) throw error;
      process.stderr.write(`${label} ${name}: ${errorMessage(error)}\n`);
      await network.cut([]);
      await network.lose(0, []);
      await network.limitRate(0, hosts);
      await converged(fleet, settings);
    }
  }
}

async function measureAll(rows: Row[]): Promise<void> {
  for (const group of chosen) {
    const all = labels().map((label) => () => measure(label, group, rows));
    if (values.together) {
      const ended = await Promise.allSettled(all.map((begin) => begin()));
      for (const end of ended) if (end.status === "rejected") throw end.reason;
    } else for (const begin of all) await begin();
  }
}

async function report(rows: readonly Row[]): Promise<void> {
  const commit = await run("git", ["rev-parse", "--short", "HEAD"]).catch(() => "unknown");
  const about = {
    ...{ commit: commit.trim(), at: new Date().toISOString(), seed: numbers.seed },
    ...{ together: values.together, seconds: numbers.seconds },
  };
  process.stdout.write(`${tableText(about, rows)}\n`);
  if (values.json !== undefined) {
    await writeFile(values.json, `${JSON.stringify({ ...about, rows }, null, 2)}\n`);
  }
}

/** Interrupted: every wait ends, so that what was built is taken down; then the process ends as the signal asks. */
function endOnSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => interrupted.abort(new Error(`ended by ${signal}`)));
  }
}

const reason = await whyNoLab();
if (reason !== null) throw new Error(`The membership bench cannot run here: ${reason}`);
const hasSerf = await run("sh", ["-c", "command -v serf"]).then(Boolean, () => false);
if (!hasSerf && values.only !== "muster") {
  throw new Error("serf is missing: apt-get install serf, or --only muster");
}
await removeOrphans();
endOnSignals();
const program = await mkdtemp(path.join(tmpdir(), "muster-bundle-"));
const rows: Row[] = [];
try {
  await bundle(program);
  process.env["MUSTER_TEST_BIN"] = path.join(program, "muster");
  await measureAll(rows);
} catch (error) {
  process.stderr.write(`bench:membership: ${errorMessage(error)}\n`);
  process.exitCode = 1;
} finally {
  if (rows.length > 0) await report(rows);
  await rm(program, { recursive: true, force: true });
}
