/** Routes of the datagrams' keys: progress for all to see, secrets for nobody. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ApiWorld } from "../../support/api-world.ts";
import { memberView } from "../../support/member-view.ts";

const it = suite("api/keys");

it("begins a rotation, shows how far it is, and refuses a second one meanwhile", async () => {
  const world = new ApiWorld();
  assert.equal((await world.get("/v1/operator/keys")).json, {
    ...{ epoch: 0, sealing: 0, rotation: null, rotatedAt: null },
    ...{ members: 0, ready: 0, waitingFor: [] },
  });
  const early = await world.send({ method: "POST", url: "/v1/operator/rotate-keys" });
  assert.is(early.status, 409);
  assert.match(early.text, /--gossip-udp off/);
  const first = { type: "keyring.change", step: "create", key: 1, secret: "a".repeat(64) } as const;
  world.inventory.ok(first);
  world.members = [
    memberView({ name: "n1", datagrams: true, tags: { keys: "1/1" } }),
    memberView({ name: "n2" }),
  ];
  const begun = await world.send({ method: "POST", url: "/v1/operator/rotate-keys" });
  assert.is(begun.status, 202);
  const { json, text } = await world.get("/v1/operator/keys");
  const { rotation, waitingFor, epoch, sealing } = json as {
    readonly rotation: { readonly key: number; readonly step: string };
    readonly waitingFor: readonly string[];
    readonly epoch: number;
    readonly sealing: number;
  };
  assert.equal([rotation.key, rotation.step, epoch, sealing], [2, "install", 2, 1]);
  assert.equal(waitingFor, ["n1"]);
  assert.not.match(text, /[0-9a-f]{32}/);
  assert.is((await world.send({ method: "POST", url: "/v1/operator/rotate-keys" })).status, 409);
  const secrets = world.inventory.view.keyring()?.keys.map(({ secret }) => secret) ?? [];
  assert.is(new Set(secrets).size, 2);
});

it.run();
