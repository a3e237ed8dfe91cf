/** Options: precedence for each of them, what each refuses and how it says so, the join token, the config file. */
import { mkdtemp, rm, unlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  configKey,
  environmentName,
  type OptionFlag,
  optionTable,
} from "../../../src/agent/option-table.ts";
import { type Environment, type Flags, resolveOptions } from "../../../src/agent/options.ts";
import { errorCode, errorMessage } from "../../../src/base/errors.ts";

const it = suite("agent options");
const folder = await mkdtemp(path.join(os.tmpdir(), "muster-options-"));
const file = path.join(folder, "muster.yaml");
it.after(() => rm(folder, { recursive: true, force: true }));

/** Three valid values of each option: for the flag, the environment, the config file. */
const samples: Readonly<Record<OptionFlag, readonly [string, string, string]>> = {
  config: [file, file, file],
  "data-dir": ["/a", "/b", "/c"],
  name: ["a", "b", "c"],
  listen: ["a:1", "b:2", "[::1]:0"],
  advertise: ["a:1", "b:2", "c:3"],
  "api-socket": ["/a.sock", "/b.sock", "/c.sock"],
  "api-listen": ["a:1", "b:2", "c:3"],
  "api-tls-cert": ["/a.pem", "/b.pem", "/c.pem"],
  "api-tls-key": ["/a.key", "/b.key", "/c.key"],
  join: ["a:1", "srv:_muster._tcp.example.org", "_muster._tcp.example.org"],
  discover: ["mdns", "mdns", "mdns"],
  "discover-interface": ["eth0", "10.0.0.1", "br-lan"],
  "join-token-file": ["/a", "/b", "/c"],
  "log-level": ["debug", "warn", "error"],
  "gossip-profile": ["wan", "local", "lan"],
  "gossip-udp": ["on", "off", "fallback"],
  "snapshot-entries": ["16", "17", "18"],
  "max-voters": ["1", "3", "7"],
  "max-standbys": ["0", "1", "32"],
  "config-watch": ["100ms", "2s", "3m"],
  "config-repo": ["https://a", "https://b", "https://c#r"],
  "cluster-name": ["a", "b", "c"],
  "inventory-url": ["embedded:", "embedded:", "embedded:"],
  user: ["a", "b", "c"],
};
const companions: Readonly<Partial<Record<OptionFlag, Flags>>> = {
  "api-tls-cert": { "api-tls-key": "/k", "api-listen": "127.0.0.1:1" },
  "api-tls-key": { "api-tls-cert": "/k", "api-listen": "127.0.0.1:1" },
  "discover-interface": { discover: "mdns" },
};

async function sourced(flag: OptionFlag, flags: Flags, env: Environment): Promise<string> {
  const isGiven = flag in flags || environmentName(flag) in env;
  const beside = isGiven ? companions[flag] : {};
  const { sources } = await resolveOptions({ ...beside, ...flags }, env);
  const found = sources.filter(({ key }) => key === configKey(flag));
  assert.is(found.length, 1, `${flag} is shown once`);
  return `${found[0]?.value ?? ""} <- ${found[0]?.source ?? ""}`;
}

for (const { flag } of optionTable) {
  it(`takes ${flag} from flag, else environment, else config file, else its default`, async () => {
    const [byFlag, byVariable, byFile] = samples[flag];
    await writeFile(file, flag === "config" ? "" : `${configKey(flag)}: "${byFile}"\n`);
    const base = { MUSTER_CONFIG: file, HOME: folder };
    const env = { ...base, [environmentName(flag)]: byVariable };
    assert.is(await sourced(flag, { [flag]: byFlag }, env), `${byFlag} <- flag --${flag}`);
    assert.is(await sourced(flag, {}, env), `${byVariable} <- ${environmentName(flag)}`);
    if (flag === "config") return;
    assert.is(
      await sourced(flag, {}, { ...base, [environmentName(flag)]: " " }),
      `${byFile} <- ${file}`,
    );
    await writeFile(file, "");
    assert.match(await sourced(flag, {}, base), /<- default$/);
  });
}

it("names each option once in one scheme: flag, variable, key", () => {
  assert.is(environmentName("api-tls-cert"), "MUSTER_API_TLS_CERT");
  assert.is(configKey("api-tls-cert"), "apiTlsCert");
  assert.is(new Set(optionTable.map(({ flag }) => flag)).size, optionTable.length);
});

it("derives paths and lists as an operator expects", async () => {
  await writeFile(file, "join: [a:1, b:2]\nname: 007\n");
  const env = { MUSTER_CONFIG: file, MUSTER_DATA_DIR: "/d" };
  const { options } = await resolveOptions({}, env);
  assert.is(options.apiSocket, "/d/api.sock");
  assert.equal(options.join, ["a:1", "b:2"]);
  assert.is(options.name, "007", "a name is not a number");
  const fromEnv = await resolveOptions({}, { ...env, MUSTER_JOIN: " c:3 , d:4," });
  assert.equal(fromEnv.options.join, ["c:3", "d:4"]);
  const flags = { join: ["e:5", "f:6"], "config-repo": "repo#v1" };
  const typed = await resolveOptions(flags, env);
  assert.equal(typed.options.join, ["e:5", "f:6"]);
  assert.equal(typed.options.configRepo, { url: path.resolve("repo"), ref: "v1" });
  for (const url of ["git@h:r.git", "ssh://git@h/r", "https://h/r#x/y"]) {
    const { options: remote } = await resolveOptions({ "config-repo": url }, env);
    assert.is(remote.configRepo?.url, url.split("#")[0]);
  }
});

const bad: readonly (readonly [OptionFlag, string, RegExp])[] = [
  ["listen", "7700", /--listen "7700".*HOST:PORT/],
  ["listen", "a:65536", /HOST:PORT/],
  ["listen", "a b:1", /HOST:PORT/],
  ["advertise", "a:", /--advertise/],
  ["advertise", "0.0.0.0:7700", /that other machines can connect to/],
  ["advertise", "10.0.0.5:0", /no port 0/],
  ["advertise", "[::]:7700", /no wildcard/],
  ["advertise", "[fe80::1]:7700", /no link-local/],
  ["advertise", "224.0.0.1:7700", /--advertise/],
  ["api-listen", ":1", /--api-listen/],
  ["join", "a", /--join "a"/],
  ["name", "-a", /--name "-a".*1 to 63/],
  ["name", "a".repeat(64), /--name/],
  ["name", "a/b", /--name/],
  ["cluster-name", "a b", /--cluster-name "a b"/],
  ["log-level", "loud", /--log-level "loud": expected debug, info, warn, error/],
  ["gossip-profile", "x", /lan, wan, local/],
  ["snapshot-entries", "15", /at least 16/],
  ["snapshot-entries", "1e9", /at least 16/],
  ["max-voters", "2", /1, 3, 5 or 7/],
  ["max-standbys", "33", /up to 32/],
  ["config-watch", "5", /duration such as 60s/],
  ["config-watch", "1ms", /duration/],
  ["config-repo", "url#", /URL#REF/],
  ["data-dir", "", /--data-dir "": it needs a value/],
];
for (const [flag, value, message] of bad) {
  it(`refuses --${flag} "${value.slice(0, 20)}"`, async () => {
    assert.match(await refusal({ [flag]: value }, {}), message);
  });
}

it("says where a bad value came from when it was not typed", async () => {
  assert.match(await refusal({}, { MUSTER_LISTEN: "x" }), /--listen "x" \(MUSTER_LISTEN\)/);
  await writeFile(file, "listen: x\n");
  assert.match(await refusal({}, { MUSTER_CONFIG: file }), new RegExp(`"x" \\(${file}\\)`));
});

it("wants certificate and key together, and an address to serve them on", async () => {
  assert.match(await refusal({ "api-tls-cert": "/c" }, {}), /give both/);
  assert.match(await refusal({ "api-tls-key": "/c" }, {}), /give both/);
  assert.match(await refusal({ "api-tls-cert": "/c", "api-tls-key": "/k" }, {}), /--api-listen/);
});

it("refuses an inventory that this version does not have, with a code of its own", async () => {
  const error = await failure({ "inventory-url": "etcd://h:2379" }, {});
  assert.is(errorCode(error), "UNSUPPORTED");
});

it("reads a config file strictly", async () => {
  const cases = [
    ["lisen: a:1\n", /unknown key "lisen"; did you mean "listen"/],
    ["zzzzzzzzzzzzzzzz: 1\n", /known keys: dataDir, name/],
    ["config: x\n", /unknown key "config"/],
    ["- a\n", /not a mapping/],
    ["just text", /not a mapping/],
    ["name:\n", /"name" needs one text/],
    ["name: {a: b}\n", /"name" needs one text/],
    ["listen: [a:1, b:2]\n", /"listen" needs one text/],
    ["join: [[a]]\n", /"join" needs a text or a list/],
    ["name: a\nname: b\n", /unique/],
    ["name: [\n", new RegExp(file)],
  ] as const;
  for (const [content, message] of cases) {
    await writeFile(file, content);
    assert.match(await refusal({}, { MUSTER_CONFIG: file }), message);
  }
  await writeFile(file, "# nothing\n");
  assert.is((await resolveOptions({}, { MUSTER_CONFIG: file })).options.logLevel, "info");
});

it("needs a config file only when it was asked for", async () => {
  const gone = path.join(folder, "gone.yaml");
  assert.match(await refusal({ config: gone }, {}), /Cannot read config file/);
  assert.match(await refusal({}, { MUSTER_CONFIG: gone }), /Cannot read config file/);
  await resolveOptions({}, { HOME: folder });
});

it("reads the join token from a file or the environment, by the same precedence", async () => {
  const tokenFile = path.join(folder, "token");
  const other = path.join(folder, "other");
  await writeFile(tokenFile, "from-file\n");
  await writeFile(other, "from-other");
  await writeFile(file, `joinTokenFile: ${tokenFile}\n`);
  const token = async (flags: Flags, env: Environment): Promise<string | null> =>
    (await resolveOptions(flags, env)).joinToken();
  const config = { MUSTER_CONFIG: file };
  const direct = { MUSTER_JOIN_TOKEN: " direct \n" };
  assert.is(await token({}, {}), null);
  assert.is(await token({}, direct), "direct");
  assert.is(await token({}, config), "from-file");
  assert.is(await token({}, { ...config, ...direct }), "direct", "environment over config file");
  assert.is(await token({ "join-token-file": other }, { ...config, ...direct }), "from-other");
  const variable = { MUSTER_JOIN_TOKEN_FILE: other };
  assert.is(await token({}, { ...config, ...variable }), "from-other");
});

it("takes no join token as an argument, and shows none", async () => {
  const flags: readonly string[] = optionTable.map(({ flag }) => flag);
  assert.not.ok(flags.includes("join-token"));
  const { sources, options } = await resolveOptions({}, { MUSTER_JOIN_TOKEN: "mst1.secret" });
  assert.not.match(JSON.stringify([sources, options]), /secret/);
});

it("misses a token file only when the token is needed", async () => {
  const gone = path.join(folder, "used.token");
  await writeFile(gone, " \n");
  const { joinToken } = await resolveOptions({ "join-token-file": gone }, {});
  assert.match(errorMessage(await joinToken().catch((error: unknown) => error)), /is empty/);
  await unlink(gone);
  const error: unknown = await joinToken().catch((reason: unknown) => reason);
  assert.is(errorCode(error), "CONFIG_INVALID");
  assert.match(errorMessage(error), /used\.token.*flag --join-token-file/);
});

it("gives git only what it needs of the environment", async () => {
  const env = { PATH: "/bin", SSH_AUTH_SOCK: "/s", MUSTER_JOIN_TOKEN: "secret", AWS_KEY: "x" };
  const { options } = await resolveOptions({}, env);
  assert.equal(options.gitEnvironment, { PATH: "/bin", SSH_AUTH_SOCK: "/s" });
});

async function failure(flags: Flags, env: Environment): Promise<unknown> {
  return resolveOptions(flags, env).then(
    () => new Error("was taken"),
    (error: unknown) => error,
  );
}

async function refusal(flags: Flags, env: Environment): Promise<string> {
  const error = await failure(flags, env);
  assert.is(errorCode(error), "CONFIG_INVALID", errorMessage(error));
  return errorMessage(error);
}

it.run();
