/** Programs that experiments need and that may be missing, with what to do about it. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { type Tool } from "./experiment.ts";
import { goPath } from "./etcd-client.ts";

const packages: Readonly<Record<Tool, string>> = {
  etcd: "etcd-server",
  wrk: "wrk",
  go: "golang-go golang-etcd-server-dev",
};

/** What is missing of `tools` on this machine, as a sentence; null when nothing is. */
export function missing(tools: readonly Tool[]): string | null {
  const absent = tools.filter((tool) => !installed(tool));
  if (absent.length === 0) return null;
  const names = absent.map((tool) => packages[tool]).join(" ");
  return `${absent.join(", ")} not installed (Debian: apt-get install --no-install-recommends ${names})`;
}

function installed(tool: Tool): boolean {
  if (tool === "etcd") return spawnSync("etcd", ["--version"]).status === 0;
  if (tool === "wrk") return spawnSync("wrk", ["--version"]).error === undefined;
  return spawnSync("go", ["version"]).status === 0 && existsSync(`${goPath}/src/go.etcd.io/etcd`);
}
