/**
 * Judges client histories: `npm run --silent lincheck -- FILE…`. Prints a line per file on stdout,
 *
 *     FILE: ok | violation | unknown
 *
 * and problems on stderr. Exits, like diff, with 0 when all are ok, 1 when there is a violation, 2 when a file could
 * not be read or judged (which outweighs a violation: the answer is not complete).
 */
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { AgentError, errorMessage, isAgentError } from "../../src/base/errors.ts";
import { defaultBudget, type Budget } from "./budget.ts";
import { judgeText } from "./history-text.ts";

const usage = `usage: lincheck [--explain] [--seconds N] FILE…

Tells whether client histories are linearizable. FILE is a log of Jepsen's register test
("INFO  jepsen.util - 0 :invoke :write 3") or EDN maps of get, put, append and cas
("{:process 0, :type :invoke, :f :get, :key \\"7\\", :value nil}").

  --explain    say on stderr where a history that is not linearizable gets stuck
  --seconds N  give up on a file after N seconds, as "unknown" (default 60)

exit status: 0 all ok, 1 a violation, 2 a file could not be read or judged
`;

/** Limit on what is read from outside. */
const bytesMax = 256 * 1024 * 1024;

interface Options {
  readonly files: readonly string[];
  readonly explain: boolean;
  readonly seconds: number;
}

type ExitStatus = 0 | 1 | 2;

/** Null when the usage was asked for. */
function parse(args: readonly string[]): Options | null {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      explain: { type: "boolean", default: false },
      seconds: { type: "string", default: "60" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return null;
  const seconds = Number(values.seconds);
  if (!(seconds > 0 && seconds <= 86_400)) {
    throw new AgentError(
      "usage.seconds",
      `--seconds must be between 0 and 86400, got "${values.seconds}"`,
    );
  }
  if (positionals.length === 0) throw new AgentError("usage.files", "name at least one file");
  return { files: positionals, explain: values.explain, seconds };
}

function main(args: readonly string[]): ExitStatus {
  let options: Options | null;
  try {
    options = parse(args);
  } catch (error) {
    process.stderr.write(`lincheck: ${errorMessage(error)}\n\n${usage}`);
    return 2;
  }
  if (options === null) {
    process.stdout.write(usage);
    return 0;
  }
  let worst: ExitStatus = 0;
  for (const file of options.files) {
    const status = judgeFile(file, options);
    if (status > worst) worst = status;
  }
  return worst;
}

function judgeFile(file: string, { explain, seconds }: Options): ExitStatus {
  try {
    const report = judgeText(file, read(file), budgetOf(seconds));
    process.stdout.write(`${file}: ${report.verdict}\n`);
    if (report.operations === 0) {
      process.stderr.write(`lincheck: ${file}: no operations, so there was nothing to judge\n`);
    }
    if (report.verdict === "unknown" || (explain && report.verdict === "violation")) {
      process.stderr.write(`lincheck: ${file}: ${report.reason}\n`);
    }
    return exitStatus[report.verdict];
  } catch (error) {
    if (!isAgentError(error)) throw error;
    process.stderr.write(`lincheck: ${error.message}\n`);
    return 2;
  }
}

const exitStatus = { ok: 0, violation: 1, unknown: 2 } as const;

function read(file: string): string {
  const location = path.resolve(startFolder(), file);
  try {
    const { size } = statSync(location);
    if (size > bytesMax) {
      throw new AgentError("history.size", `${file} has ${size} bytes; the limit is ${bytesMax}`);
    }
    return readFileSync(location, "utf8");
  } catch (error) {
    if (isAgentError(error)) throw error;
    throw new AgentError("history.read", `cannot read ${file}: ${errorMessage(error)}`);
  }
}

/** `npm run` changes to the folder of the package; files are named from where the user is. */
function startFolder(): string {
  const started = process.env["npm_lifecycle_event"] === "lincheck" && process.env["INIT_CWD"];
  return typeof started === "string" ? started : process.cwd();
}

function budgetOf(seconds: number): Budget {
  const end = performance.now() + seconds * 1000;
  return { ...defaultBudget, isTimeUp: () => performance.now() > end };
}

process.exitCode = main(process.argv.slice(2));
