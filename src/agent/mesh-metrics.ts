/** The mesh for Prometheus: open connections, and what came of those that came in. */
import { type Metrics } from "../api/metrics.ts";
import { type Mesh } from "./mesh.ts";

export function addMesh(metrics: Metrics, { host, context }: Pick<Mesh, "host" | "context">): void {
  metrics.gauge({
    name: "muster_mesh_slowness",
    help: "How many times longer this agent waits for others, as its own turns come late: 1 to 8",
    read: () => context.slowness.factor,
  });
  metrics.gauge({
    name: "muster_mesh_connections",
    help: "Open connections to peers",
    read: () => host.connections().length,
  });
  metrics.counter({
    name: "muster_mesh_inbound_connections_total",
    help: "Connections that came in: peer proven, come to nothing, closed unread",
    labels: ["result"],
    read: () => {
      const { opened, failed, refused } = host.counters();
      return Object.entries({ opened, failed, refused }).map(([result, value]) => ({
        labels: { result },
        value,
      }));
    },
  });
  metrics.counter({
    name: "muster_mesh_refused_total",
    help: "Strangers that were too many, and streams that only members may open",
    labels: ["what"],
    read: () => {
      const { refusedStrangers, refusedStreams } = host.counters();
      return [
        { labels: { what: "stranger" }, value: refusedStrangers },
        { labels: { what: "stream" }, value: refusedStreams },
      ];
    },
  });
}
