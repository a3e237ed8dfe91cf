/** Facts of a machine that a folder describes; a machine that tells nothing gives empty values, never a failure. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { gatherFacts, readBootId } from "../../../src/agent/facts.ts";
import { canonicalJson } from "../../../src/base/json.ts";

const it = suite("agent facts");

function withRoot(act: (root: string, put: Put) => Promise<void>): () => Promise<void> {
  return async () => {
    const root = await mkdtemp(path.join(os.tmpdir(), "muster-facts-"));
    const put: Put = async (file, content) => {
      await mkdir(path.dirname(path.join(root, file)), { recursive: true });
      await writeFile(path.join(root, file), content);
    };
    try {
      await act(root, put);
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  };
}
type Put = (file: string, content: string) => Promise<void>;

it(
  "reads system, identity, disks and filesystems",
  withRoot(async (root, put) => {
    await put("etc/os-release", 'NAME="Debian"\nID=debian\nVERSION_ID="12"\n# note\n');
    await put("etc/machine-id", "m1\n");
    await put("proc/sys/kernel/random/boot_id", "b1\n");
    await put("sys/class/dmi/id/product_serial", "S1\n");
    await put("sys/class/dmi/id/sys_vendor", "QEMU\n");
    await put("sys/block/sda/size", "2048\n");
    await put("sys/block/sda/queue/rotational", "1\n");
    await put("sys/block/nvme0n1/size", "4096\n");
    await put("sys/block/loop0/size", "8\n");
    await put("sys/block/sdz/size", "0\n");
    await put(
      "proc/self/mounts",
      "/dev/sda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\nbroken\n/dev/x /nonexistent/m xfs rw 0 0\n",
    );
    const facts = await gatherFacts("1.2.3", "", root);
    assert.equal([facts.os, facts.osVersion, facts.machineId], ["debian", "12", "m1"]);
    assert.equal([facts.bootId, facts.serial, facts.virtualization], ["b1", "S1", "QEMU"]);
    assert.equal(facts.disks, [
      { name: "nvme0n1", sizeBytes: 4096 * 512, rotational: false },
      { name: "sda", sizeBytes: 2048 * 512, rotational: true },
    ]);
    assert.equal(
      facts.filesystems.map(({ mount, type }) => [mount, type]),
      [
        ["/", "ext4"],
        ["/nonexistent/m", "xfs"],
      ],
    );
    assert.ok((facts.filesystems[0]?.sizeBytes ?? 0) > 0);
    assert.is(facts.filesystems[1]?.sizeBytes, 0, "a mount that cannot be looked at");
    assert.is(facts.agentVersion, "1.2.3");
    assert.is(await readBootId(root), "b1");
  }),
);

it(
  "gives empty values where files are missing or are something else",
  withRoot(async (root) => {
    await mkdir(path.join(root, "etc/os-release"), { recursive: true });
    const facts = await gatherFacts("1", "", root);
    assert.equal([facts.os, facts.osVersion, facts.bootId, facts.serial], ["linux", "", "", ""]);
    assert.equal([facts.disks, facts.filesystems, facts.pythonPath], [[], [], null]);
    assert.ok(facts.cpu.count > 0 && facts.memory.totalBytes > 0);
  }),
);

it(
  "limits what a strange machine can say",
  withRoot(async (root, put) => {
    await put("sys/class/dmi/id/product_serial", "s".repeat(100_000));
    const mounts = Array.from({ length: 1000 }, (_, i) => `/dev/x${i} / ext4 rw 0 0`);
    await put("proc/self/mounts", mounts.join("\n"));
    const facts = await gatherFacts("1", "", root);
    assert.is(facts.serial.length, 4096);
    assert.is(facts.filesystems.length, 256, "all of the list is looked at, up to the limit");
  }),
);

it(
  "finds the first executable Python of the search path",
  withRoot(async (root, put) => {
    await put("a/python3", "");
    await put("b/python3", "");
    await chmod(path.join(root, "b/python3"), 0o755);
    const folders = ["/nonexistent", "", path.join(root, "a"), path.join(root, "b")];
    const facts = await gatherFacts("1", folders.join(":"), root);
    assert.is(facts.pythonPath, path.join(root, "b/python3"));
  }),
);

it("says the same of the same machine, so that nothing is written again", async () => {
  const [one, two] = [await gatherFacts("1", "/usr/bin"), await gatherFacts("1", "/usr/bin")];
  assert.is(canonicalJson(one), canonicalJson(two));
});

it.run();
