/**
 * Real agents, real faults, judged histories: `npm run nemesis -- --nemesis all --seconds 60 --nodes 5`. Needs root
 * (network namespaces). Prints a line per run; exits with 1 when one has a problem, 2 when there was none to run.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { errorMessage } from "../../src/base/errors.ts";
import { Lab, type LabOptions } from "../support/lab/lab.ts";
import { whyNoLab } from "../support/lab/requirements.ts";
import { nemeses, nemesisNamed } from "./catalogue.ts";
import { type Nemesis } from "./nemesis.ts";
import { runNemesis, type RunReport } from "./run.ts";

const usage = `usage: nemesis [--nemesis NAME|all] [--seconds N] [--nodes N] [--seed N] [--verbose]

  --nemesis  one of the below, several with commas, or all (default)
  --seconds  how long each goes on (default 20)
  --nodes    agents (default 5)
  --seed     of all that is drawn: who is struck, what clients do (default: from the time). The schedule of real
             processes is not repeated by it.
  --fresh    a cluster for each, on the machine's disk; else one for all, on disks in memory, until something is found
  --verbose  say what is done

${nemeses.map(({ name, about }) => `  ${name.padEnd(18)}${about}`).join("\n")}
`;

const diskMegabytes = 128;

interface Options {
  readonly chosen: readonly Nemesis[];
  readonly seconds: number;
  readonly nodes: number;
  readonly seed: number;
  readonly fresh: boolean;
  readonly verbose: boolean;
}

function options(): Options | null {
  const { values } = parseArgs({
    options: {
      nemesis: { type: "string", default: "all" },
      seconds: { type: "string", default: "20" },
      nodes: { type: "string", default: "5" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      fresh: { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return null;
  return {
    chosen: values.nemesis === "all" ? nemeses : values.nemesis.split(",").map(nemesisNamed),
    seconds: inRange("seconds", values.seconds, 86_400),
    nodes: inRange("nodes", values.nodes, 32),
    seed: inRange("seed", values.seed, 2 ** 32),
    fresh: values.fresh,
    verbose: values.verbose,
  };
}

function inRange(name: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new Error(`--${name} must be an integer from 0 to ${max}, not "${text}"`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The cluster that runs are made on. */
class Ground implements AsyncDisposable {
  #lab: Lab | null = null;
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  async labFor(nemesis: Nemesis): Promise<Lab> {
    this.#lab ??= await Lab.start({ size: this.#options.nodes, ...this.#kind(nemesis) });
    return this.#lab;
  }

  /** The next run gets another cluster. */
  async [Symbol.asyncDispose](): Promise<void> {
    const lab = this.#lab;
    this.#lab = null;
    await lab?.[Symbol.asyncDispose]();
  }

  #kind({ needs }: Nemesis): Pick<LabOptions, "diskMegabytes" | "clocks"> {
    const { fresh } = this.#options;
    return {
      ...(!fresh || needs === "disks" ? { diskMegabytes } : {}),
      clocks: !fresh || needs === "clocks",
    };
  }
}

async function runOne(nemesis: Nemesis, ground: Ground, options: Options): Promise<boolean> {
  const { seconds, seed, verbose, fresh } = options;
  const begun = performance.now();
  const log = (line: string): void => {
    if (verbose) print(`    ${((performance.now() - begun) / 1000).toFixed(1)} s  ${line}`);
  };
  const lab = await ground.labFor(nemesis);
  const report = await runNemesis({ lab, nemesis, seconds, seed, log });
  print(`${report.problems.length === 0 ? "✓" : "✗"} ${describe(report)}`);
  for (const problem of report.problems) print(`    ${problem}`);
  if (report.folder !== null) print(`    see ${report.folder}`);
  if (fresh || report.problems.length > 0) await ground[Symbol.asyncDispose]();
  return report.problems.length === 0;
}

function describe(report: RunReport): string {
  const { nemesis, seed, strikes, acknowledged, reads, refused, failed, unknown, events } = report;
  return (
    `${nemesis} (seed ${seed}): ${strikes} strikes, ${acknowledged} writes and ${reads} reads acknowledged, ` +
    `${refused} refused, ${failed} failed, ${unknown} unknown, ${events} events, ` +
    `longest gap ${report.longestGapMs} ms`
  );
}

/** Interrupted: what was built is taken down, then the process ends as the signal asks. */
function endOnSignals(ground: Ground): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      void ground[Symbol.asyncDispose]().finally(() => process.kill(process.pid, signal));
    });
  }
}

async function main(): Promise<number> {
  const wanted = options();
  if (wanted === null) {
    process.stdout.write(usage);
    return 0;
  }
  const reason = await whyNoLab();
  if (reason !== null) {
    process.stderr.write(`nemesis: no lab here: ${reason}\n`);
    return 2;
  }
  let bad = 0;
  await using ground = new Ground(wanted);
  endOnSignals(ground);
  for (const nemesis of wanted.chosen) {
    const good = await runOne(nemesis, ground, wanted).catch(async (error: unknown) => {
      print(`✗ ${nemesis.name}: ${errorMessage(error)}`);
      await ground[Symbol.asyncDispose]();
      return false;
    });
    if (!good) bad += 1;
  }
  print(`${wanted.chosen.length - bad} of ${wanted.chosen.length} nemeses found nothing`);
  return bad === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`nemesis: ${errorMessage(error)}\n\n${usage}`);
  process.exitCode = 2;
}
