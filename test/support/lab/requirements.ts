/** Whether this machine can have a lab, and if not, why, in words that say what is missing. */
import { accessSync } from "node:fs";
import { run } from "./command.ts";
import { ownPrefix } from "./owner.ts";

const programs = {
  ip: "iproute2",
  nft: "nftables",
  nsenter: "util-linux",
  strace: "strace",
} as const;
const libraries = {
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1": "faketime",
} as const;

/** Null when a lab can be had. In CI a machine that cannot is a failure, not a reason to test less. */
export async function whyNoLab(): Promise<string | null> {
  const reason = await obstacle();
  if (reason !== null && process.env["CI"] === "true") throw new Error(`No lab in CI: ${reason}`);
  return reason;
}

async function obstacle(): Promise<string | null> {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  for (const [program, parcel] of Object.entries(programs)) {
    const found = await run("sh", ["-c", `command -v ${program}`]).catch(() => null);
    if (found === null) return `the program ${program} is missing (package ${parcel})`;
  }
  for (const [file, parcel] of Object.entries(libraries)) {
    try {
      accessSync(file);
    } catch {
      return `the library ${file} is missing (package ${parcel})`;
    }
  }
  const name = `${ownPrefix()}try`;
  try {
    await run("ip", ["netns", "add", name]);
    await run("ip", ["netns", "delete", name]);
    return null;
  } catch (error) {
    return `a network namespace cannot be made: ${String(error)}`;
  }
}
