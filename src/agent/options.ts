/** From flags, environment and config file to one checked set of options, each with where it came from. */
import { readFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { AgentError, errorMessage } from "../base/errors.ts";
import { type DatagramUse } from "../gossip/ports.ts";
import { type ConfigFile, readConfigFile } from "./config-file.ts";
import { type AgentCode } from "./errors.ts";
import { configKey, environmentName, type OptionFlag, optionTable } from "./option-table.ts";
import * as kinds from "./option-values.ts";

export type Flags = Readonly<Partial<Record<OptionFlag, string | readonly string[]>>>;
export type Environment = Readonly<Record<string, string | undefined>>;

export interface AgentOptions {
  readonly dataDir: string;
  readonly name: string;
  readonly listen: string;
  readonly advertise: string | null;
  readonly apiSocket: string;
  readonly apiListen: string | null;
  readonly apiTls: { readonly certFile: string; readonly keyFile: string } | null;
  /** `HOST:PORT` or `srv:NAME` each. */
  readonly join: readonly string[];
  /** Null: agents are found by seeds and memory alone. */
  readonly discover: { readonly interfaces: readonly string[] } | null;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly gossipProfile: "lan" | "wan" | "local";
  /** What gossip does with datagrams (`--gossip-udp`). */
  readonly gossipDatagrams: DatagramUse;
  readonly snapshotEntries: number;
  /** What this agent keeps to while it leads. */
  readonly places: { readonly maxVoters: number; readonly maxStandbys: number };
  readonly configWatchMs: number;
  readonly configRepo: { readonly url: string; readonly ref: string | null } | null;
  readonly clusterName: string;
  readonly user: string | null;
  /** PATH of the process: what actions and Python are looked up in. */
  readonly searchPath: string;
  /** HOME of the process: where git and actions look for their own configuration. */
  readonly home: string;
  /** What git gets of the agent's environment. */
  readonly gitEnvironment: Readonly<Record<string, string>>;
  /** Kills the agent at a chosen entry, for tests (failpoint.ts). */
  readonly failpoint: string | null;
}

/** A value and where it came from, for `--print-config`. */
export interface Sourced {
  readonly key: string;
  readonly value: string;
  readonly source: string;
}

export interface ResolvedOptions {
  readonly options: AgentOptions;
  /**
   * Reads the join token. Only an agent that has to join asks: the file may be gone afterwards.
   * @throws AgentError CONFIG_INVALID.
   */
  readonly joinToken: () => Promise<string | null>;
  readonly sources: readonly Sourced[];
}

/** @throws AgentError CONFIG_INVALID naming the option and its source, UNSUPPORTED. */
export async function resolveOptions(flags: Flags, env: Environment): Promise<ResolvedOptions> {
  const asked = given(flags, env, "config");
  const file = asked?.values[0] ?? defaultConfigFile(env);
  const reader = new OptionReader({
    flags,
    env,
    file,
    content: await readConfigFile(file, asked !== null),
  });
  reader.note("config", [file], asked?.source ?? "default");
  const options = buildOptions(reader, env);
  const tokenFile = reader.find("join-token-file");
  reader.note("join-token-file", tokenFile?.values ?? [], tokenFile?.source ?? "default");
  return { options, joinToken: () => readToken(tokenFile, env, file), sources: reader.sources };
}

interface Found {
  readonly values: readonly string[];
  readonly source: string;
}

const repeatable: ReadonlySet<string> = new Set(
  optionTable.flatMap((option) => ("repeatable" in option ? [option.flag] : [])),
);

/** From flag or environment. An empty variable counts as not set; an empty flag is a slip: `--data-dir "$UNSET"`. */
function given(flags: Flags, env: Environment, flag: OptionFlag): Found | null {
  const typed = flags[flag];
  if (typed !== undefined) {
    const values = [typed].flat();
    if (values.some((value) => value.trim() === "")) {
      throw invalid(`Cannot use --${flag} "": it needs a value`);
    }
    return { values, source: `flag --${flag}` };
  }
  const variable = env[environmentName(flag)];
  if (variable === undefined || variable.trim() === "") return null;
  const list = repeatable.has(flag) ? variable.split(",") : [variable];
  const values = list.map((item) => item.trim()).filter((item) => item !== "");
  return { values, source: environmentName(flag) };
}

interface Sources {
  readonly flags: Flags;
  readonly env: Environment;
  readonly file: string;
  readonly content: ConfigFile;
}

/** Looks options up by precedence, checks them, and remembers where each came from. */
class OptionReader {
  readonly sources: Sourced[] = [];
  readonly #from: Sources;

  constructor(from: Sources) {
    this.#from = from;
  }

  find(flag: OptionFlag): Found | null {
    const { flags, env, file, content } = this.#from;
    const found = given(flags, env, flag);
    if (found !== null) return found;
    const values = content.get(configKey(flag));
    return values === undefined ? null : { values, source: file };
  }

  note(flag: OptionFlag, values: readonly string[], source: string): void {
    this.sources.push({ key: configKey(flag), value: values.join(","), source });
  }

  optional<Value>(flag: OptionFlag, kind: kinds.Kind<Value>): Value | null {
    const found = this.find(flag);
    this.note(flag, found?.values ?? [], found?.source ?? "default");
    const value = found?.values[0];
    return found === null || value === undefined ? null : check(flag, { value, kind, ...found });
  }

  required<Value>(flag: OptionFlag, kind: kinds.Kind<Value>, fallback: string): Value {
    const found = this.find(flag) ?? { values: [fallback], source: "default" };
    this.note(flag, found.values, found.source);
    return check(flag, { value: found.values[0] ?? fallback, kind, ...found });
  }

  all<Value>(flag: OptionFlag, kind: kinds.Kind<Value>): readonly Value[] {
    const found = this.find(flag) ?? { values: [], source: "default" };
    this.note(flag, found.values, found.source);
    return found.values.map((value) => check(flag, { value, kind, ...found }));
  }
}

const datagramUses = { on: "usual", fallback: "fallback", off: "none" } as const;

interface Checked<Value> {
  readonly value: string;
  readonly kind: kinds.Kind<Value>;
  readonly source: string;
}

function check<Value>(flag: OptionFlag, { value, kind, source }: Checked<Value>): Value {
  const parsed = kind.parse(value);
  if (parsed !== null) return parsed;
  const from = source.startsWith("flag ") ? "" : ` (${source})`;
  throw invalid(`Cannot use --${flag} "${value}"${from}: expected ${kind.expected}`);
}

function buildOptions(read: OptionReader, env: Environment): AgentOptions {
  const dataDir = read.required("data-dir", kinds.file, defaultDataDir(env));
  const apiListen = read.optional("api-listen", kinds.hostPort);
  const apiTls = readTls(read, apiListen);
  const inventory = read.required("inventory-url", kinds.text, "embedded:");
  if (inventory !== "embedded:") throw unsupportedInventory(inventory);
  return {
    dataDir,
    name: read.required("name", kinds.name, os.hostname()),
    listen: read.required("listen", kinds.hostPort, "0.0.0.0:7700"),
    advertise: read.optional("advertise", kinds.advertised),
    apiSocket: read.required("api-socket", kinds.file, path.join(dataDir, "api.sock")),
    apiListen,
    apiTls,
    join: read.all("join", kinds.seed),
    discover: readDiscovery(read),
    logLevel: read.required("log-level", kinds.oneOf("debug", "info", "warn", "error"), "info"),
    gossipProfile: read.required("gossip-profile", kinds.oneOf("lan", "wan", "local"), "lan"),
    gossipDatagrams:
      datagramUses[read.required("gossip-udp", kinds.oneOf("on", "fallback", "off"), "fallback")],
    snapshotEntries: read.required("snapshot-entries", kinds.entryCount, "50000"),
    places: {
      maxVoters: read.required("max-voters", kinds.voterCount, "5"),
      maxStandbys: read.required("max-standbys", kinds.standbyCount, "5"),
    },
    configWatchMs: read.required("config-watch", kinds.duration, "60s"),
    configRepo: read.optional("config-repo", kinds.repository),
    clusterName: read.required("cluster-name", kinds.name, "muster"),
    user: read.optional("user", kinds.text),
    gitEnvironment: pickGitEnvironment(env),
    failpoint: env["MUSTER_FAILPOINT"] ?? null,
    home: env["HOME"] ?? os.homedir(),
    searchPath: env["PATH"] ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  };
}

/** Keys, agents and proxies are configured there; nothing else of the environment reaches git. */
const gitVariables = [
  ...["PATH", "HOME", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO"],
  ...["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"],
];

function pickGitEnvironment(env: Environment): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const name of gitVariables) {
    const value = env[name];
    if (value !== undefined) picked[name] = value;
  }
  return picked;
}

function readTls(read: OptionReader, apiListen: string | null): AgentOptions["apiTls"] {
  const certFile = read.optional("api-tls-cert", kinds.text);
  const keyFile = read.optional("api-tls-key", kinds.text);
  if (certFile === null && keyFile === null) return null;
  if (certFile === null || keyFile === null) {
    throw invalid("Cannot serve TLS with only one of --api-tls-cert and --api-tls-key; give both");
  }
  if (apiListen === null) throw invalid("Cannot use --api-tls-cert without --api-listen HOST:PORT");
  return { certFile, keyFile };
}

function readDiscovery(read: OptionReader): AgentOptions["discover"] {
  const way = read.optional("discover", kinds.oneOf("mdns"));
  const interfaces = read.all("discover-interface", kinds.interfaceName);
  if (way !== null) return { interfaces };
  if (interfaces.length === 0) return null;
  throw invalid("Cannot use --discover-interface without --discover mdns");
}

function defaultDataDir(env: Environment): string {
  if (process.getuid?.() === 0) return "/var/lib/muster";
  const home = env["XDG_DATA_HOME"] ?? path.join(env["HOME"] ?? os.homedir(), ".local/share");
  return path.join(home, "muster");
}

function defaultConfigFile(env: Environment): string {
  if (process.getuid?.() === 0) return "/etc/muster/muster.yaml";
  const home = env["XDG_CONFIG_HOME"] ?? path.join(env["HOME"] ?? os.homedir(), ".config");
  return path.join(home, "muster/muster.yaml");
}

/** A file that was named by flag or environment, else the environment's token, else the config file's file. */
async function readToken(
  found: Found | null,
  env: Environment,
  configFile: string,
): Promise<string | null> {
  const direct = env["MUSTER_JOIN_TOKEN"]?.trim() ?? "";
  if (direct !== "" && (found === null || found.source === configFile)) return direct;
  if (found === null) return null;
  const file = found.values[0] ?? "";
  const content = await readFile(file, "utf8").catch((error: unknown) => {
    const reason = `(${found.source}): ${errorMessage(error)}`;
    throw invalid(`Cannot read join token file "${file}" ${reason}`);
  });
  if (content.trim() !== "") return content.trim();
  throw invalid(`Join token file "${file}" (${found.source}) is empty`);
}

function invalid(message: string): AgentError<AgentCode> {
  return new AgentError("CONFIG_INVALID", message);
}

function unsupportedInventory(url: string): AgentError<AgentCode> {
  return new AgentError(
    "UNSUPPORTED",
    `Cannot use inventory "${url}": this version has the embedded one only; leave --inventory-url out`,
  );
}
