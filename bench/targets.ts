/** Members as targets of a probe. */
import { type BenchAgent } from "./muster.ts";
import { type Target } from "./probe.ts";

const keys = 64;
const padding = "x".repeat(240);

export function musterTargets(members: readonly BenchAgent[], token: string): readonly Target[] {
  return members.map(({ apiPort: port }) => ({
    port,
    method: "PUT",
    headers: { authorization: `Bearer ${token}` },
    request: (n) => ({
      path: `/v1/vars/probe-${n % keys}`,
      body: JSON.stringify({ value: `${n} ${padding}` }),
    }),
  }));
}

export function etcdTargets(ports: readonly number[]): readonly Target[] {
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  return ports.map((port) => ({
    port,
    method: "POST",
    request: (n) => ({
      path: "/v3/kv/put",
      body: JSON.stringify({ key: base64(`probe-${n % keys}`), value: base64(`${n} ${padding}`) }),
    }),
  }));
}
