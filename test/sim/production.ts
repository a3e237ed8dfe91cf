/** The classes of production that run in a simulation. Broken twins load this file with one line of them changed. */
export { createCore } from "../../src/consensus/core/raft.ts";
export { compareLineage } from "../../src/consensus/lineage/compare.ts";
export { createConsensusNode } from "../../src/consensus/driver/driver.ts";
export { Autopilot } from "../../src/consensus/driver/autopilot.ts";
export { Submitter } from "../../src/consensus/driver/submitter.ts";
export { LevelLogStore } from "../../src/consensus/storage/level-log.ts";
export { SnapshotFiles } from "../../src/consensus/storage/snapshot-files.ts";
export { InventoryStateMachine } from "../../src/inventory/state-machine.ts";
export { admitEnvelope, stampEnvelope } from "../../src/inventory/codec.ts";
export { InventoryWriter } from "../../src/agent/writer.ts";
export { AgentLineage } from "../../src/agent/lineage.ts";
export { leadershipOf } from "../../src/agent/leadership.ts";
export { LifecycleController } from "../../src/lifecycle/controller.ts";
export { handingOver } from "../../src/agent/handing-over.ts";
