import { once } from "node:events";
import { createServer } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../../src/base/clock.ts";
import { answersAt, type Caller } from "../../../src/p2p/dial-back.ts";

const it = suite("p2p/dial-back");
const silence = new AbortController().signal;
const from = (cameFrom: string, signal = silence): Caller => ({
  cameFrom,
  clock: systemClock,
  signal,
});

it("tells whether something takes connections at an address", async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  assert.ok(await answersAt({ host: "127.0.0.1", port }, from("127.0.0.1")));
  server.close();
  await once(server, "close");
  assert.not(await answersAt({ host: "127.0.0.1", port }, from("127.0.0.1")));
});

it("takes no loopback address of a peer that came from elsewhere for its own", async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  for (const host of ["127.0.0.1", "localhost", "::1", "0.0.0.0", "127.1", "::ffff:7f00:1"]) {
    assert.not(await answersAt({ host, port }, from("10.0.0.7")), host);
  }
  for (const own of ["::ffff:127.0.0.1", "::ffff:7f00:1", "::1"]) {
    assert.ok(await answersAt({ host: "127.0.0.1", port }, from(own)), own);
  }
  server.close();
});

it("believes a connection that came about while this process was too busy to look", async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const answer = answersAt({ host: "127.0.0.1", port }, from("127.0.0.1"));
  const until = performance.now() + 2100;
  while (performance.now() < until);
  assert.ok(await answer);
  server.close();
});

it("gives up when it is told to", async () => {
  const stopped = new AbortController();
  stopped.abort();
  assert.not(await answersAt({ host: "127.0.0.1", port: 1 }, from("127.0.0.1", stopped.signal)));
});

it.run();
