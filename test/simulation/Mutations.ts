/** Defects of one line that the simulation must catch: in commit, fencing, windows, metering, acknowledgement, sealing. */

export interface Mutation {
  /** What is broken, as a phrase. */
  readonly name: string
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly line: string
  /** Takes its place. */
  readonly mutant: string
}

export const mutations: ReadonlyArray<Mutation> = [
  {
    name: "commit without fence comparison",
    file: "adapters/memory/SupplierStoreMemory.ts",
    line: "return supplier !== undefined && currentFence(supplier, now)?.nonce === lease.nonce",
    mutant: "return supplier !== undefined && currentFence(supplier, now) !== null"
  },
  {
    name: "commit without version check",
    file: "adapters/memory/MemorySession.ts",
    line: 'if (commit.expectedVersion !== session.version) return "version"',
    mutant: ""
  },
  {
    name: "a refused commit still acknowledges",
    file: "adapters/memory/SupplierStoreMemory.ts",
    line: "if (reason !== undefined) {",
    mutant: "if (reason !== undefined) { log.acknowledge(commit.acknowledged)"
  },
  {
    name: "a commit acknowledges without storing its leaves",
    file: "adapters/memory/MemorySession.ts",
    line: "for (const leaf of commit.leaves) session.tail.push(putNode(session, leaf).digest)",
    mutant: ""
  },
  {
    name: "relays after the seal are not counted as late",
    file: "domain/mining/FoldRelays.ts",
    line: 'change: { events: lateEvents(state, late, isFinal ? "ended" : "sealed") },',
    mutant: "change: { events: [] },"
  },
  {
    name: "duplicates of leaves are counted as late",
    file: "domain/mining/FoldRelays.ts",
    line: ".filter(({ path }) => trie === undefined || !Result.getOrElse(trie.has(path), () => false))",
    mutant: ".filter(() => true)"
  },
  {
    name: "after a failed commit the session in memory is kept",
    file: "domain/mining/SessionLedger.ts",
    line: "Effect.onError(() => doubt(session)),",
    mutant: ""
  },
  {
    name: "after a failed commit the trie in memory is kept",
    file: "domain/mining/SessionLedger.ts",
    line: "      live.delete(session)\n      return tries.drop(session)",
    mutant: "      live.delete(session)\n      return Effect.void"
  },
  {
    name: "what a batch left is not asked for again",
    file: "domain/supplier/IngestLoop.ts",
    line: "yield* store.redeliver(lease)",
    mutant: ""
  },
  {
    name: "seal without waiting for pending deliveries",
    file: "domain/settlement/SealSessions.ts",
    line: "Option.match(backlog.oldestPending, { onNone: () => true, onSome: (oldest) => compareLogId(oldest, mark.id) > 0 })",
    mutant: "true"
  },
  {
    name: "seal without waiting for the log",
    file: "domain/settlement/SealSessions.ts",
    line: "compareLogId(backlog.lastDelivered, mark.id) >= 0 &&",
    mutant: ""
  },
  {
    name: "seal without waiting for announced spools",
    file: "domain/settlement/SealSessions.ts",
    line: "Option.isSome(lowestSpooledSessionEnd) && lowestSpooledSessionEnd.value <= sessionEnd",
    mutant: "Option.isSome(lowestSpooledSessionEnd) && lowestSpooledSessionEnd.value < 0n && sessionEnd > 0n"
  },
  {
    name: "a sealed session takes relays",
    file: "domain/session/SessionState.ts",
    line: 'state.status === "unopened" || state.status === "open"',
    mutant: 'state.status === "unopened" || state.status === "open" || state.status === "sealed"'
  },
  {
    name: "broadcast without a durable intent",
    file: "domain/settlement/SendBatch.ts",
    line: "yield* SupplierStore.use((store) => store.saveIntent(lease, intent))",
    mutant: "yield* Effect.void"
  },
  {
    name: "claims and proofs one block late",
    file: "domain/settlement/SendBatch.ts",
    line: "if (!recorded.includes(true) || !canLandInWindow(submission.window, now.height)) return",
    mutant: "if (!recorded.includes(true)) return"
  },
  {
    name: "claims and proofs one block early",
    file: "domain/session/SessionWindow.ts",
    line: "isInWindow(window, committedHeight + 1n)",
    mutant: "isInWindow(window, committedHeight + 2n)"
  },
  {
    name: "a proof for another path than the seed's",
    file: "domain/settlement/SubmitProofs.ts",
    line: "{ path: proofPath(seed.hash, copy.session, sha256), target }",
    mutant: "{ path: proofPath(copy.tally.root, copy.session, sha256), target }"
  },
  {
    name: "a transaction counts as sent before a node has it",
    file: "domain/settlement/SendBatch.ts",
    line: "return yield* tx.broadcast(intent.txBytes).pipe(",
    mutant: 'return yield* Effect.andThen(noteSent("taken"), tx.broadcast(intent.txBytes)).pipe('
  },
  {
    name: "a full mempool is not asked again within the block",
    file: "domain/settlement/SendBatch.ts",
    line: 'return sendAgain(refused, "not_ready")',
    mutant: 'return noteSent("taken")'
  },
  {
    name: "a used nonce is built anew",
    file: "domain/settlement/SendBatch.ts",
    line: '        case "nonce_used":\n',
    mutant: ""
  },
  {
    name: "an expired transaction is built anew without asking the chain",
    file: "domain/settlement/SendBatch.ts",
    line: 'return sendAgain(refused, "expired")',
    mutant: "return Effect.fail(refused)"
  },
  {
    name: "fixed gas is trusted before it was seen to be enough",
    file: "domain/settlement/SendBatch.ts",
    line: "submission.fixedGasPerMessage !== undefined && memory.enoughFrom[kind] <= messages",
    mutant:
      "submission.fixedGasPerMessage !== undefined && memory.enoughFrom[kind] <= messages + Number.POSITIVE_INFINITY"
  },
  {
    name: "a claim is given up while the claims on chain cannot be read",
    file: "domain/settlement/Inclusion.ts",
    line: "onNone: () => false,",
    mutant: "onNone: () => true,"
  },
  {
    name: "a proof is given up once it is in a block",
    file: "domain/settlement/Inclusion.ts",
    line: 'const isGone = kind === "claim" && block.height > height && isReplaced(intent, claims)',
    mutant: 'const isGone = kind === "proof" || (block.height > height && isReplaced(intent, claims))'
  },
  {
    name: "a lost transaction gets no successor",
    file: "domain/settlement/Replacement.ts",
    line: "return block.height - openSince >= left",
    mutant: "return block.height - openSince > LAST_BLOCKS * 100n"
  },
  {
    name: "a transaction gets a successor at once",
    file: "domain/settlement/Replacement.ts",
    line: "if (left < 1n || left > LAST_BLOCKS) return false",
    mutant: 'if (left < 1n || answer === "known") return left >= 1n'
  },
  {
    name: "nothing is sent without a simulation",
    file: "domain/settlement/SubmissionTiming.ts",
    line: "height + 2n >= closes",
    mutant: "height + 2n >= closes * 1_000n"
  },
  {
    name: "claims that cannot be read are no failed step",
    file: "domain/settlement/AdvanceSessions.ts",
    line: 'Effect.andThen(Effect.logWarning("claims on chain are read again at the next look", unavailable), countFailedStep)',
    mutant: 'Effect.logWarning("claims on chain are read again at the next look", unavailable)'
  },
  {
    name: "sessions in doubt lose their transactions",
    file: "domain/settlement/AdvanceSessions.ts",
    line: "const kept = new Set([...live.map(({ session }) => session), ...doubted])",
    mutant: "const kept = new Set([...live.map(({ session }) => session)])"
  },
  {
    name: "the lease is never given up by its own clock",
    file: "domain/supplier/SupplierFleet.ts",
    line: "const life = nanosOf(leases.ttl) - nanosOf(settings.leaseMargin)",
    mutant: "const life = nanosOf(leases.ttl) * 100n"
  },
  {
    name: "renewals count from their answer",
    file: "domain/supplier/SupplierFleet.ts",
    line: "one.renewedAt = sentAt",
    mutant: "one.renewedAt = yield* Clock.monotonicTimeNanos"
  },
  {
    name: "leases are not released at a graceful stop",
    file: "domain/supplier/SupplierFleet.ts",
    line: "yield* Effect.ignore(leases.release(one.lease))",
    mutant: ""
  },
  {
    name: "a spooled relay is dropped before it is appended",
    file: "domain/relay/RecordRelay.ts",
    line: "const exits = yield* Effect.forEach(tried, ({ entry }) =>",
    mutant:
      "yield* Effect.ignore(spool.remove(tried.map(({ id }) => id))); const exits = yield* Effect.forEach(tried, ({ entry }) =>"
  },
  {
    name: "a relay that the log did not take is not spooled",
    file: "domain/relay/RecordRelay.ts",
    line: "return Exit.hasDies(exit) ? Effect.orDie(Effect.asVoid(exit)) : keep(entry)",
    mutant: "return Exit.hasDies(exit) ? Effect.orDie(Effect.asVoid(exit)) : Effect.asVoid(look)"
  },
  {
    name: "an append without an answer counts as done",
    file: "domain/relay/RecordRelay.ts",
    line: "if (exit === undefined) return keep(entry)",
    mutant: "if (exit === undefined) return Effect.void"
  },
  {
    name: "a spool is replayed without being announced",
    file: "domain/relay/RecordRelay.ts",
    line: "log.announceSpool(relayer, yield* local(spool.lowestSessionEnd)),",
    mutant: "Effect.void,"
  },
  {
    name: "an answer leaves before its relay is in the log",
    file: "domain/relay/RecordRelay.ts",
    line: "(silentUntil === undefined ? append(entry) :",
    mutant: "(silentUntil === undefined ? Effect.asVoid(Effect.forkDetach(append(entry))) :"
  },
  {
    name: "the meter is not released when the backend fails",
    file: "domain/relay/CompleteRelay.ts",
    line: "reserved.value.release()",
    mutant: "reserved.value.keep()"
  },
  {
    name: "the meter takes beyond the limit",
    file: "adapters/memory/MeterStoreMemory.ts",
    line: "const most = wanted < room ? wanted : room",
    mutant: "const most = wanted"
  },
  {
    name: "allowances are not given back",
    file: "domain/relay/RelayMeter.ts",
    line: "const givenBack = Effect.timeout(store.giveBack(allowance.key, amount), STORE_WAIT)",
    mutant: "const givenBack = Effect.timeout(Effect.void, STORE_WAIT)"
  },
  {
    name: "a counter is dropped while other relayers may serve its session",
    file: "domain/relay/EndedMeters.ts",
    line: "if (height > graceEnd + DROP_AFTER) yield [name, key]",
    mutant: "if (height > graceEnd - DROP_AFTER) yield [name, key]"
  },
  {
    name: "a relay costs nothing",
    file: "domain/relay/RelayMeter.ts",
    line: "allowance.available--",
    mutant: ""
  },
  {
    name: "every relay is forwarded before it is verified",
    file: "domain/relay/ServeRelay.ts",
    line: 'return relay.service.validation === "optimistic"',
    mutant: "return relay.service.validation !== undefined"
  },
  {
    name: "a signature that does not hold is let through",
    file: "domain/relay/AdmitRelay.ts",
    line: "return Effect.flatMap(verifier.verify(message, relay.signature), (holds) =>",
    mutant: "return Effect.flatMap(Effect.as(verifier.verify(message, relay.signature), true), (holds) =>"
  },
  {
    name: "a replayed request is served again",
    file: "domain/relay/AdmitRelay.ts",
    line: "if (!seen.enter(header.sessionId, facts.graceEnd, key)) {",
    mutant: "if (seen.enter(header.sessionId, facts.graceEnd, key) === undefined) {"
  }
]
