/** From flags, environment and config file to one checked set of options, each with where it came from. */
import { readFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parseDocument } from "yaml";
import { parseDuration } from "../base/duration.ts";
import { AgentError, errorCode, errorMessage } from "../base/errors.ts";
import { nearestWord } from "../base/nearest.ts";
import { type AgentCode } from "./errors.ts";
import { configKey, environmentName, type OptionFlag, optionTable } from "./option-table.ts";

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
  readonly join: readonly string[];
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly gossipProfile: "lan" | "wan" | "local";
  readonly snapshotEntries: number;
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
  readonly joinToken: string | null;
  readonly sources: readonly Sourced[];
}

interface Found {
  readonly values: readonly string[];
  readonly source: string;
}

/**
 * Resolves all options.
 * @throws AgentError CONFIG_INVALID naming the option and its source, UNSUPPORTED.
 */
export async function resolveOptions(flags: Flags, env: Environment): Promise<ResolvedOptions> {
  const file = await readConfigFile(flags, env);
  const find = (flag: OptionFlag): Found | null => {
    const given = flags[flag];
    if (given !== undefined) return { values: [given].flat(), source: `flag --${flag}` };
    const variable = env[environmentName(flag)];
    if (variable !== undefined && variable !== "") {
      const list = flag === "join" ? variable.split(",") : [variable];
      return { values: list.map((item) => item.trim()), source: environmentName(flag) };
    }
    return file.get(configKey(flag)) ?? null;
  };
  const sources: Sourced[] = [];
  const text = (flag: OptionFlag, fallback: string | null): string | null => {
    const found = find(flag);
    const value = found?.values[0] ?? fallback;
    const source = found?.source ?? "default";
    sources.push({ key: configKey(flag), value: value ?? "", source });
    return value;
  };
  const options = buildOptions({ text, find, env });
  sources.push({
    key: "join",
    value: options.join.join(","),
    source: find("join")?.source ?? "default",
  });
  return { options, joinToken: await readToken(find("join-token-file"), env), sources };
}

interface Lookup {
  readonly text: (flag: OptionFlag, fallback: string | null) => string | null;
  readonly find: (flag: OptionFlag) => Found | null;
  readonly env: Environment;
}

function buildOptions({ text, find, env }: Lookup): AgentOptions {
  const dataDir = path.resolve(text("data-dir", defaultDataDir(env)) ?? "");
  const apiListen = text("api-listen", null);
  const certFile = text("api-tls-cert", null);
  const keyFile = text("api-tls-key", null);
  if ((certFile === null) !== (keyFile === null)) {
    throw invalid("Cannot serve TLS with only one of --api-tls-cert and --api-tls-key; give both");
  }
  if (certFile !== null && apiListen === null) {
    throw invalid("Cannot use --api-tls-cert without --api-listen HOST:PORT");
  }
  checkInventoryUrl(text("inventory-url", "embedded:") ?? "");
  return {
    dataDir,
    name: nodeName(text("name", os.hostname()) ?? ""),
    listen: hostPort("listen", text("listen", "0.0.0.0:7700") ?? ""),
    advertise: optionalHostPort("advertise", text("advertise", null)),
    apiSocket: path.resolve(text("api-socket", path.join(dataDir, "api.sock")) ?? ""),
    apiListen: optionalHostPort("api-listen", apiListen),
    apiTls: certFile === null || keyFile === null ? null : { certFile, keyFile },
    join: (find("join")?.values ?? []).map((seed) => hostPort("join", seed)),
    logLevel: oneOf("log-level", text("log-level", "info"), ["debug", "info", "warn", "error"]),
    gossipProfile: oneOf("gossip-profile", text("gossip-profile", "lan"), ["lan", "wan", "local"]),
    snapshotEntries: count("snapshot-entries", text("snapshot-entries", "20000") ?? ""),
    configWatchMs: duration("config-watch", text("config-watch", "60s") ?? ""),
    configRepo: splitRepo(text("config-repo", null)),
    clusterName: nodeName(text("cluster-name", "muster") ?? ""),
    user: text("user", null),
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

export function defaultDataDir(env: Environment): string {
  if (process.getuid?.() === 0) return "/var/lib/muster";
  const home = env["XDG_DATA_HOME"] ?? path.join(env["HOME"] ?? os.homedir(), ".local/share");
  return path.join(home, "muster");
}

function defaultConfigFile(env: Environment): string {
  if (process.getuid?.() === 0) return "/etc/muster/muster.yaml";
  const home = env["XDG_CONFIG_HOME"] ?? path.join(env["HOME"] ?? os.homedir(), ".config");
  return path.join(home, "muster/muster.yaml");
}

async function readConfigFile(flags: Flags, env: Environment): Promise<ReadonlyMap<string, Found>> {
  const asked = flags.config ?? env[environmentName("config")];
  const file = typeof asked === "string" && asked !== "" ? asked : defaultConfigFile(env);
  const content = await readFile(file, "utf8").catch((error: unknown) => {
    if (asked === undefined && errorCode(error) === "ENOENT") return "";
    throw invalid(`Cannot read config file "${file}": ${errorMessage(error)}`);
  });
  const document = parseDocument(content);
  const problem = document.errors[0];
  if (problem !== undefined) throw invalid(`Config file "${file}": ${problem.message}`);
  const parsed: unknown = document.toJS({ maxAliasCount: 0 });
  if (parsed === null || parsed === undefined) return new Map();
  if (typeof parsed !== "object" || Array.isArray(parsed)) {
    throw invalid(`Config file "${file}" is not a mapping of option names to values`);
  }
  return checkKeys(file, parsed);
}

function checkKeys(file: string, parsed: object): ReadonlyMap<string, Found> {
  const known = optionTable
    .map((option) => configKey(option.flag))
    .filter((key) => key !== "config");
  const found = new Map<string, Found>();
  for (const [key, value] of Object.entries(parsed) as [string, unknown][]) {
    if (!known.includes(key)) {
      const near = nearestWord(key, known);
      const hint = near === null ? `known keys: ${known.join(", ")}` : `did you mean "${near}"?`;
      throw invalid(`Config file "${file}": unknown key "${key}"; ${hint}`);
    }
    const values = (Array.isArray(value) ? value : [value]).map((item: unknown) => String(item));
    found.set(key, { values, source: file });
  }
  return found;
}

async function readToken(found: Found | null, env: Environment): Promise<string | null> {
  const direct = env["MUSTER_JOIN_TOKEN"];
  if (found === null) return direct === undefined || direct === "" ? null : direct.trim();
  const file = found.values[0] ?? "";
  const content = await readFile(file, "utf8").catch((error: unknown) => {
    throw invalid(
      `Cannot read join token file "${file}" (${found.source}): ${errorMessage(error)}`,
    );
  });
  return content.trim();
}

function invalid(message: string): AgentError<AgentCode> {
  return new AgentError("CONFIG_INVALID", message);
}

/** Names are DNS labels joined by dots: they end up in URLs, file names and tables. */
export function isName(text: string): boolean {
  return text.length <= 63 && /^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?$/.test(text);
}

function nodeName(text: string): string {
  if (isName(text)) return text;
  throw invalid(
    `Cannot use name "${text}": a name has 1 to 63 letters, digits, ".", "_" or "-", and begins and ends with a letter or digit`,
  );
}

function hostPort(flag: string, text: string): string {
  const match = /^(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+):(\d{1,5})$/.exec(text);
  if (match !== null && Number(match[2]) <= 65_535) return text;
  throw invalid(`Cannot use --${flag} "${text}": expected HOST:PORT, such as 10.0.0.5:7700`);
}

function optionalHostPort(flag: string, text: string | null): string | null {
  return text === null ? null : hostPort(flag, text);
}

function oneOf<T extends string>(flag: string, text: string | null, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === text);
  if (found !== undefined) return found;
  throw invalid(`Cannot use --${flag} "${text ?? ""}": expected ${allowed.join(", ")}`);
}

function count(flag: string, text: string): number {
  if (/^\d{1,9}$/.test(text) && Number(text) >= 16) return Number(text);
  throw invalid(`Cannot use --${flag} "${text}": expected a whole number of at least 16`);
}

function duration(flag: string, text: string): number {
  const ms = parseDuration(text);
  if (ms !== null && ms >= 100) return ms;
  throw invalid(`Cannot use --${flag} "${text}": expected a duration such as 60s or 5m`);
}

function checkInventoryUrl(url: string): void {
  if (url === "embedded:") return;
  throw new AgentError<AgentCode>(
    "UNSUPPORTED",
    `Cannot use inventory "${url}": this version has the embedded one only; leave --inventory-url out`,
  );
}

function splitRepo(text: string | null): AgentOptions["configRepo"] {
  if (text === null) return null;
  const hash = text.lastIndexOf("#");
  const url = hash < 0 ? text : text.slice(0, hash);
  const ref = hash < 0 ? null : text.slice(hash + 1);
  if (url === "" || ref === "") throw invalid(`Cannot use --config-repo "${text}": URL[#REF]`);
  const local = !/^[a-z+]+:\/\/|^[^/]+@[^/]+:/.test(url);
  return { url: local ? path.resolve(url) : url, ref };
}
