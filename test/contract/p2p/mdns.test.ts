/** Discovery over real multicast sockets, on the loopback interface and a port of the test's own. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../../src/base/clock.ts";
import { newUuid } from "../../../src/base/ids.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { systemRandom } from "../../../src/base/random.ts";
import { formatHostPort } from "../../../src/p2p/address.ts";
import { MdnsDiscovery, systemNics } from "../../../src/p2p/mdns.ts";
import { mdnsSockets } from "../../../src/p2p/mdns-socket.ts";
import { until } from "../../support/until.ts";

const it = suite("mdns on sockets");
const port = 20_000 + (process.pid % 10_000);
const told: string[] = [];

function agent(label: string): MdnsDiscovery {
  return new MdnsDiscovery(
    { interfaces: ["127.0.0.1"], label },
    {
      open: mdnsSockets(port),
      nics: systemNics,
      clock: systemClock,
      random: systemRandom,
      logger: { ...silentLogger, warn: (data) => void told.push(JSON.stringify(data)) },
    },
  );
}

it("finds the members of its cluster and no others, also one that comes later, and hears them go", async () => {
  const [ours, theirs] = [newUuid(), newUuid()];
  const agents = ["a", "b", "c", "x"].map(agent);
  const [a, b, c, x] = agents;
  try {
    for (const one of agents) {
      one.use(one === x ? theirs : ours);
      await one.start();
    }
    a?.announce((host) => ({ host, port: 7701 }));
    x?.announce((host) => ({ host, port: 7709 }));
    c?.search(true);
    const seen = (): string => (c?.addresses() ?? []).map(formatHostPort).toSorted().join(" ");
    await until({ what: "c finds a", everyMs: 10 }, () => seen() === "127.0.0.1:7701");
    b?.announce((host) => ({ host, port: 7702 }));
    await until(
      { what: "c finds b", everyMs: 10 },
      () => seen() === "127.0.0.1:7701 127.0.0.1:7702",
    );
    const own = (a?.addresses() ?? []).map(formatHostPort);
    assert.not.ok(own.includes("127.0.0.1:7701"), "nobody finds itself, though it hears itself");
    await a?.stop();
    await until({ what: "c hears a go", everyMs: 10 }, () => seen() === "127.0.0.1:7702");
    assert.equal(told, []);
  } finally {
    await Promise.all(agents.map((one) => one.stop()));
  }
});

it("says once a minute that somebody sends what cannot be read, and goes on", async () => {
  told.splice(0);
  const cluster = newUuid();
  const [a, b] = ["a", "b"].map(agent);
  const junk = createSocket({ type: "udp4", reuseAddr: true });
  try {
    for (const one of [a, b]) {
      one?.use(cluster);
      await one?.start();
    }
    junk.bind(0, "127.0.0.1");
    await once(junk, "listening");
    junk.setMulticastInterface("127.0.0.1");
    const packet = Buffer.alloc(300, 0xff);
    for (let sent = 0; sent < 50; sent += 1) {
      await new Promise((resolve) => junk.send(packet, port, "224.0.0.251", resolve));
    }
    await until({ what: "both say so", everyMs: 10 }, () => told.length >= 2);
    a?.announce((host) => ({ host, port: 7701 }));
    b?.search(true);
    await until({ what: "b finds a", everyMs: 10 }, () => b?.addresses().length === 1);
    assert.is(told.length, 2, "one line of each agent");
  } finally {
    junk.close();
    await Promise.all([a?.stop(), b?.stop()]);
  }
});

it.run();
