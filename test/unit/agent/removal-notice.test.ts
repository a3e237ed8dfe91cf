/** removed.json: an agent that was told that it was evicted does not start again. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { keepNotice, noticeOf, refuseWhereRemoved } from "../../../src/agent/removal-notice.ts";
import { errorCode } from "../../../src/base/errors.ts";
import { peer } from "../../support/inventory.ts";

const it = suite("agent/removal-notice");

async function refusal(dataDir: string): Promise<unknown> {
  return refuseWhereRemoved(dataDir).catch((error: unknown) => error);
}

it("lets an agent start that was told nothing, and refuses one that was, with all it knows", async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "muster-removed-"));
  try {
    assert.is(await refusal(folder), undefined);
    const at = (n: number, index: number) => ({ generation: { n, id: "0".repeat(32) }, index });
    const claims = [
      { by: peer("n3"), ...at(1, 900) },
      { by: peer("n2"), ...at(2, 812) },
    ];
    await keepNotice(
      folder,
      noticeOf("c1", claims, ({ by }) => by.slice(-2)),
    );
    const error = await refusal(folder);
    assert.is(errorCode(error), "MEMBER_EVICTED");
    assert.match(String(error), /cluster c1 by entry 812 of generation 2, as .* and .* told it/);
    assert.match(String(error), /muster token create/);
    await writeFile(path.join(folder, "removed.json"), "{torn");
    assert.is(errorCode(await refusal(folder)), "MEMBER_EVICTED");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it.run();
