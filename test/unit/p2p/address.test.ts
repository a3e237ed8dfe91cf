import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  defaultAdvertise,
  formatHostPort,
  fromMultiaddr,
  parseHostPort,
  requireHostPort,
  toMultiaddr,
} from "../../../src/p2p/address.ts";
import { errorCode } from "../../../src/base/errors.ts";

const it = suite("p2p address");

it("reads host:port for IPv4, bracketed IPv6 and names", () => {
  assert.equal(parseHostPort("10.0.0.1:7700"), { host: "10.0.0.1", port: 7700 });
  assert.equal(parseHostPort("[fd00::1]:0"), { host: "fd00::1", port: 0 });
  assert.equal(parseHostPort("node-1.example:65535"), { host: "node-1.example", port: 65535 });
});

it("refuses what is not host:port, and everything that could carry a multiaddr part", () => {
  const bad = [
    "",
    "host",
    ":7700",
    "host:",
    "host:65536",
    "host:-1",
    "host:7700x",
    "fd00::1:7700",
    "[fd00::1]",
    "[1.2.3.4]:1",
    "[zz]:1",
    "a b:1",
    "a/tcp/1/p2p/x:1",
    `${"a".repeat(300)}:1`,
    "-a:1",
    "host:7700\n",
  ];
  for (const text of bad) assert.is(parseHostPort(text), null, text);
});

it("says how an address is written when one is wrong", () => {
  try {
    requireHostPort("nowhere");
    assert.unreachable();
  } catch (error) {
    assert.is(errorCode(error), "ADDRESS_INVALID");
    assert.match(String(error), 'Address "nowhere" is not HOST:PORT');
  }
});

it("makes multiaddrs and reads them back", () => {
  for (const text of ["10.0.0.1:7700", "[fd00::1]:7700", "node.example:1"]) {
    const parsed = requireHostPort(text);
    assert.is(fromMultiaddr(toMultiaddr(parsed)), text);
    assert.is(formatHostPort(parsed), text);
  }
  const peer = "12D3KooWRxBP92VqQBcSzxfmKF9v1Q4m6Ym6vBmzcAhjeTYs7vDv";
  const dialed = toMultiaddr({ host: "n1", port: 1 }, peer).toString();
  assert.is(dialed, `/dns/n1/tcp/1/p2p/${peer}`);
});

it("advertises a specific listen address as it is and never a wildcard", () => {
  assert.is(defaultAdvertise({ host: "127.0.0.1", port: 9 }), "127.0.0.1:9");
  assert.not.match(defaultAdvertise({ host: "0.0.0.0", port: 9 }), /^0\.0\.0\.0/);
  assert.not.match(defaultAdvertise({ host: "::", port: 9 }), /^\[::\]/);
});

it.run();
