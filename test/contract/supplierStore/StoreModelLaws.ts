/** Random histories of many owners, two sessions and a log, compared step by step with a model. */
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, Option, Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { type Lease, Leases } from "../../../domain/ports/Leases.ts"
import { RelayLog } from "../../../domain/ports/RelayLog.ts"
import { type SessionCommit, SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import {
  aLeaf,
  alice,
  anEntry,
  anInnerNode,
  anIntent,
  aRoot,
  aSeal,
  aTally,
  first,
  late,
  second
} from "../StoreFixtures.ts"
import { acquire, idsOf, StoreInspector, type StoreWorld, takeAll } from "../SupplierStoreWorld.ts"
import { beyond } from "../Timing.ts"
import { hex, StoreModel } from "./StoreModel.ts"

const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
const Session = Schema.Literals([first, second])
/** Which lease makes the call: 0 is one that was lost, if there is one. */
const By = upTo(7)

const Command = Schema.TaggedUnion({
  Append: { count: upTo(3) },
  Acquire: {},
  Release: { by: By, chance: upTo(3) },
  Lapse: { chance: upTo(3) },
  Take: { max: upTo(4), by: By },
  Redeliver: { by: By },
  Commit: {
    session: Session,
    leaves: upTo(3),
    /** 0 expects a version that is not the stored one. */
    version: upTo(9),
    covered: Schema.UndefinedOr(upTo(5)),
    seal: upTo(3),
    acknowledge: upTo(3),
    by: By
  },
  SetAside: { count: upTo(2), by: By },
  WriteNodes: { session: Session, nodes: upTo(2), by: By },
  DeleteNodes: { session: Session, node: upTo(2), by: By },
  SaveIntent: { session: Session, hash: upTo(3), wrongRoot: upTo(3), by: By },
  DropIntent: { hash: upTo(3), by: By },
  DropNodes: { session: Session, by: By },
  Forget: { session: Session, by: By }
})
type Command = typeof Command.Type

const history = Arbitrary.array(Arbitrary.schema(Command), { minLength: 10, maxLength: 60 })

export const storeModelLaws = ({ layer, timing }: StoreWorld): void => {
  describe("random histories", () => {
    timing.it.prop(
      "agree with the model at every step, and the last owner is given all that is left",
      { history },
      ({ history }) =>
        Effect.gen(function* () {
          const run: Run = { model: new StoreModel(), leases: [yield* acquire()], leaves: 0 }
          run.model.fence = run.leases[0]?.nonce
          for (const command of history) {
            if (command._tag === "Lapse") {
              if (command.chance > 0) continue
              yield* timing.pass(beyond((yield* Leases).ttl))
              run.model.fence = undefined
            } else yield* execute(run, command)
            yield* agrees(run)
          }
          yield* endsWell(run)
        }).pipe(Effect.provide(layer)),
      { arbitrary: { runs: timing.runs, size: 60 } }
    )
  })
}

interface Run {
  readonly model: StoreModel
  /** Every lease there was, the newest last. */
  readonly leases: Array<Lease>
  /** Leaves made so far: each commit has new ones. */
  leaves: number
}

const execute = Effect.fnUntraced(function* (run: Run, command: Exclude<Command, { _tag: "Lapse" }>) {
  const { model, leases } = run
  const store = yield* SupplierStore
  const lease = leaseOf(run, "by" in command ? command.by : 1)
  const isOwner = model.owns(lease)

  /** The call has the outcome the model foretells; `effect` is applied to the model when it succeeds. */
  const foretold = <A>(call: Effect.Effect<A, { readonly _tag: string }>, effect: () => void, refusal?: string) =>
    Effect.gen(function* () {
      const outcome = yield* Effect.match(call, { onSuccess: () => "done", onFailure: ({ _tag }) => _tag })
      assert.strictEqual(outcome, isOwner ? (refusal ?? "done") : "LeaseLost", command._tag)
      if (outcome === "done") effect()
    })

  switch (command._tag) {
    case "Append": {
      for (let i = 0; i < command.count; i++) model.append(yield* (yield* RelayLog).append(anEntry(i)))
      return
    }
    case "Acquire": {
      const acquired = yield* Leases.use((all) => all.acquire(alice, `replica-${leases.length}`))
      assert.strictEqual(Option.isNone(acquired), model.fence !== undefined, "acquired exactly when free")
      if (Option.isNone(acquired)) return
      leases.push(acquired.value)
      model.fence = acquired.value.nonce
      return
    }
    case "Release": {
      if (command.chance > 0) return
      yield* Leases.use((all) => all.release(lease))
      if (isOwner) model.fence = undefined
      return
    }
    case "Take": {
      const call = Effect.exit(store.deliveries(lease, command.max, Duration.zero))
      const exit = yield* call
      assert.strictEqual(exit._tag === "Success", isOwner)
      if (exit._tag === "Success") assert.deepStrictEqual(idsOf(exit.value), model.take(lease, command.max))
      return
    }
    case "Redeliver":
      return yield* foretold(store.redeliver(lease), () => {
        if (model.reader === lease.nonce) model.redeliver()
      })
    case "Commit": {
      const commit = commitOf(run, command)
      const refusals = isOwner ? model.refusals(commit) : []
      const exit = yield* Effect.flip(Effect.as(store.commit(lease, commit), undefined)).pipe(Effect.option)
      if (Option.isSome(exit)) {
        const error = exit.value
        if (error._tag !== "CommitRefused") assert.deepStrictEqual([error._tag, isOwner], ["LeaseLost", false])
        else assert.include(refusals, error.reason)
      } else {
        assert.deepStrictEqual([isOwner, refusals], [true, []])
        model.commit(commit)
      }
      return
    }
    case "SetAside": {
      const held = model.pending.slice(0, command.count)
      const deliveries = held.map((id) => ({ id, data: new Uint8Array(1), trace: Option.none() }))
      return yield* foretold(store.setAside(lease, deliveries, "wire"), () => model.setAside(held))
    }
    case "WriteNodes": {
      const nodes = Array.from({ length: command.nodes }, (_, n) => anInnerNode(n))
      return yield* foretold(store.writeNodes(lease, command.session, nodes), () =>
        model.change(command.session, (session) => ({
          nodes: new Set([...session.nodes, ...nodes.map(({ digest }) => hex(digest))])
        }))
      )
    }
    case "DeleteNodes": {
      const { digest } = anInnerNode(command.node)
      return yield* foretold(store.deleteNodes(lease, command.session, [digest]), () =>
        model.change(command.session, (session) => ({
          nodes: new Set([...session.nodes].filter((node) => node !== hex(digest)))
        }))
      )
    }
    case "SaveIntent": {
      const { count } = model.session(command.session)
      const root = aRoot(command.wrongRoot === 0 ? 99 : Number(count))
      const txHash = `${command.hash}`.repeat(64)
      const intent = anIntent({ txHash, sessions: [{ session: command.session, root }] })
      const refusal = model.acceptsIntent(intent) ? undefined : "IntentRefused"
      return yield* foretold(store.saveIntent(lease, intent), () => model.saveIntent(txHash), refusal)
    }
    case "DropIntent": {
      const txHash = `${command.hash}`.repeat(64)
      return yield* foretold(store.dropIntent(lease, txHash), () => {
        model.intents = model.intents.filter((hash) => hash !== txHash)
      })
    }
    case "DropNodes":
      return yield* foretold(store.dropNodes(lease, command.session), () =>
        model.change(command.session, () => ({ nodes: new Set(), tail: [], liveRoot: undefined }))
      )
    case "Forget":
      return yield* foretold(store.forget(lease, command.session), () => model.sessions.delete(command.session))
  }
})

const leaseOf = ({ leases }: Run, by: number): Lease =>
  (by === 0 ? leases.at(-2) : undefined) ?? leases.at(-1) ?? assert.fail("there is always a lease")

/** The commit of a command, on top of what the model says is stored. */
const commitOf = (run: Run, command: Extract<Command, { _tag: "Commit" }>): SessionCommit => {
  const session = run.model.session(command.session)
  const leaves = Array.from({ length: command.leaves }, (_, i) => aLeaf(run.leaves + i))
  run.leaves += leaves.length
  const count = Number(session.count) + leaves.length
  return {
    session: command.session,
    expectedVersion: command.version === 0 ? session.version + 1 : session.version,
    leaves,
    ...aTally(count),
    events: command.seal === 0 ? [aSeal(count)] : [late(1n)],
    checkpoint:
      command.covered === undefined
        ? Option.none()
        : Option.some({ liveRoot: aRoot(count), tailCovered: command.covered }),
    acknowledged: run.model.pending.slice(0, command.acknowledge)
  }
}

/** Backlog, sessions, nodes, intents and what was set aside are those of the model. */
const agrees = Effect.fnUntraced(function* ({ model, leases }: Run) {
  const store = yield* SupplierStore
  const { setAside, setAsideLimit } = yield* StoreInspector
  assert.deepStrictEqual(yield* store.backlog(leases.at(-1)!), {
    lastGenerated: model.lastGenerated,
    lastDelivered: model.lastDelivered,
    oldestPending: Option.fromUndefinedOr(model.pending[0]),
    lowestSpooledSessionEnd: Option.none()
  })
  assert.deepStrictEqual<ReadonlyArray<string>>(yield* store.sessions(alice), [...model.sessions.keys()].sort())
  for (const id of [first, second]) {
    const session = model.sessions.get(id)
    const stored = Option.getOrUndefined(yield* store.load(alice, id))
    assert.strictEqual(stored === undefined, session === undefined)
    if (stored === undefined || session === undefined) continue
    const { nodes, sealed: _, ...rest } = session
    assert.deepStrictEqual(
      {
        version: stored.version,
        events: [...stored.events],
        liveRoot: Option.getOrUndefined(Option.map(stored.liveRoot, hex)),
        tail: stored.tail.map(hex),
        root: hex(stored.root),
        count: stored.count,
        sum: stored.sum
      },
      { ...rest, events: [...rest.events], tail: [...rest.tail] }
    )
    const inner = [0, 1, 2].map(anInnerNode)
    const read = yield* store.readNodes(
      alice,
      id,
      inner.map(({ digest }) => digest)
    )
    assert.deepStrictEqual(
      read.map((encoding) => encoding !== undefined),
      inner.map(({ digest }) => nodes.has(hex(digest)))
    )
    const innerDigests = new Set(inner.map(({ digest }) => hex(digest)))
    assert.deepStrictEqual(
      (yield* store.readLeaves(alice, id)).map(({ digest }) => hex(digest)).sort(),
      [...nodes].filter((digest) => !innerDigests.has(digest)).sort()
    )
  }
  assert.deepStrictEqual(
    (yield* store.intents(alice)).map(({ txHash }) => txHash),
    [...model.intents]
  )
  assert.deepStrictEqual(
    (yield* setAside(alice)).map(({ id }) => id),
    model.aside.slice(-setAsideLimit)
  )
})

/** A new owner is given everything that was never settled, once, oldest first. */
const endsWell = Effect.fnUntraced(function* ({ model, leases }: Run) {
  yield* Leases.use((all) => all.release(leases.at(-1)!))
  const lease = yield* acquire(alice, "last")
  assert.deepStrictEqual(idsOf(yield* takeAll(lease)), [...model.pending, ...model.fresh])
})
