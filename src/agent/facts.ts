/**
 * What this machine is: read from /proc, /sys and os-release, without starting a process. A file that is not
 * there gives an empty value, never a failure: facts describe, they do not gate.
 */
import { constants } from "node:fs";
import { access, readdir, readFile, statfs } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type Facts } from "../inventory/records.ts";

const sectorBytes = 512; // /sys/block/*/size counts 512-byte sectors whatever the disk's own block size
const maxMountsLength = 1024 * 1024;
const maxListed = 256; // disks, mounts, interfaces: a machine with more is described by the first of them

/** Gathers facts; `searchPath` is a PATH in which Python is looked for; below `root` are /proc, /sys and /etc. */
export async function gatherFacts(
  agentVersion: string,
  searchPath: string,
  root = "/",
): Promise<Facts> {
  const of = (file: string): Promise<string> => text(path.join(root, file));
  const release = parseOsRelease(await of("etc/os-release"));
  return {
    hostname: os.hostname(),
    os: release.get("ID") ?? "linux",
    osVersion: release.get("VERSION_ID") ?? "",
    kernel: os.release(),
    arch: os.arch() === "x64" ? "x86_64" : os.arch() === "arm64" ? "aarch64" : os.arch(),
    bootId: await readBootId(root),
    serial: await of("sys/class/dmi/id/product_serial"),
    machineId: await of("etc/machine-id"),
    cpu: { model: os.cpus()[0]?.model.trim() ?? "", count: os.cpus().length },
    memory: { totalBytes: os.totalmem() },
    disks: await disks(path.join(root, "sys/block")),
    filesystems: await filesystems(
      await text(path.join(root, "proc/self/mounts"), maxMountsLength),
    ),
    nics: nics(),
    virtualization: await of("sys/class/dmi/id/sys_vendor"),
    agentVersion,
    pythonPath: await findExecutable("python3", searchPath),
  };
}

/** The kernel's id of this boot: tells a restarted agent from a rebooted machine. */
export async function readBootId(root = "/"): Promise<string> {
  return text(path.join(root, "proc/sys/kernel/random/boot_id"));
}

async function text(file: string, most = 4096): Promise<string> {
  try {
    return (await readFile(file, "utf8")).trim().slice(0, most);
  } catch {
    return ""; // absent or not readable for this user
  }
}

function parseOsRelease(content: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of content.split("\n")) {
    const match = /^([A-Z_]+)=(.*)$/.exec(line);
    if (match?.[1] !== undefined) values.set(match[1], (match[2] ?? "").replace(/^"|"$/g, ""));
  }
  return values;
}

async function disks(folder: string): Promise<Facts["disks"]> {
  const found: { name: string; sizeBytes: number; rotational: boolean }[] = [];
  for (const name of await list(folder)) {
    if (/^(loop|ram|zram|dm-|md|sr)/.test(name)) continue;
    const sectors = Number(await text(path.join(folder, name, "size")));
    const rotational = (await text(path.join(folder, name, "queue/rotational"))) === "1";
    if (sectors > 0) found.push({ name, sizeBytes: sectors * sectorBytes, rotational });
  }
  return found.slice(0, maxListed);
}

async function list(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch {
    return []; // a container without /sys
  }
}

async function filesystems(mounts: string): Promise<Facts["filesystems"]> {
  const found: { mount: string; type: string; sizeBytes: number }[] = [];
  for (const line of mounts.split("\n")) {
    const [device, mount, type] = line.split(" ");
    if (found.length === maxListed) break;
    if (device?.startsWith("/dev/") !== true || mount === undefined || type === undefined) continue;
    const size = await statfs(mount).then(
      (stat) => stat.blocks * stat.bsize,
      () => 0,
    );
    found.push({ mount, type, sizeBytes: size });
  }
  return found;
}

function nics(): Facts["nics"] {
  return Object.entries(os.networkInterfaces())
    .filter(([, addresses]) => addresses?.some((address) => !address.internal) === true)
    .map(([name, addresses]) => ({
      name,
      mac: addresses?.[0]?.mac ?? "",
      addresses: (addresses ?? []).map((address) => address.cidr ?? address.address).sort(),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .slice(0, maxListed);
}

async function findExecutable(name: string, searchPath: string): Promise<string | null> {
  for (const folder of searchPath.split(":").filter((entry) => entry !== "")) {
    const candidate = path.join(folder, name);
    const executable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (executable) return candidate;
  }
  return null;
}
