/**
 * Entry of the command `relaymill`. Exit status: 0 done, or stopped by SIGTERM or SIGINT after an orderly end; 1 failed while
 * running; 2 refused to start, with one sentence for each reason on stderr.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Exit, Layer, Runtime } from "effect"
import { CliError, Command } from "effect/cli"
import packageJson from "../package.json" with { type: "json" }
import * as CommandLine from "./CommandLine.ts"
import { demoCommand } from "./DemoCommand.ts"
import { devnetCommand } from "./DevnetCommand.ts"
import { minerCommand } from "./MinerCommand.ts"
import { relayerCommand } from "./RelayerCommand.ts"

const relaymill = Command.make("relaymill").pipe(
  Command.withDescription("Highly available relay miner for Pocket Network"),
  Command.withSubcommands([demoCommand, devnetCommand, relayerCommand, minerCommand])
)

Command.run(relaymill, { version: packageJson.version }).pipe(
  Effect.catchIf(CliError.isCliError, CommandLine.refuseInvocation),
  Effect.tapError(CommandLine.reportEnd),
  Effect.provide(Layer.mergeAll(NodeServices.layer, CommandLine.layer)),
  NodeRuntime.runMain({
    teardown: (exit, onExit) =>
      Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)
  })
)
