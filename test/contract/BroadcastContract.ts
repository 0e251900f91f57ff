/** What every `Broadcast` must do: those who listen hear, in order; nothing is kept for others. */
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Fiber, type Layer, Stream } from "effect"
import { Broadcast } from "../../domain/ports/Broadcast.ts"
import type { Timing } from "./Timing.ts"

/** One adapter under test. The layer is one bus of its own each time it is built. */
export interface BroadcastWorld {
  readonly name: string
  readonly layer: Layer.Layer<Broadcast>
  readonly timing: Timing
}

/** Registers the suite for one adapter. */
export const broadcastContract = ({ name, layer, timing }: BroadcastWorld): void => {
  const { it, settle } = timing
  const test = <E>(title: string, body: (bus: Broadcast["Service"]) => Effect.Effect<void, E>) =>
    it(title, () => Effect.provide(Broadcast.use(body), layer))

  /** Collects a channel's messages in the background, from the time it returns. */
  const listen = Effect.fnUntraced(function* (bus: Broadcast["Service"], channel: string) {
    const heard: Array<string> = []
    const fiber = yield* Effect.forkChild(
      Stream.runForEach(bus.subscribe(channel), (message) => Effect.sync(() => void heard.push(message)))
    )
    yield* settle
    return { heard, stop: Fiber.interrupt(fiber) }
  })

  describe(`Broadcast, ${name}`, () => {
    test("reaches every subscriber of the channel, this process included, in order", (bus) =>
      Effect.gen(function* () {
        const listeners = [yield* listen(bus, "blocks"), yield* listen(bus, "blocks")]
        const sent = Array.from({ length: 50 }, (_, n) => `message ${n}`)
        for (const message of sent) yield* bus.publish("blocks", message)
        yield* settle
        for (const { heard } of listeners) assert.deepStrictEqual(heard, sent)
      }))

    test("keeps channels apart", (bus) =>
      Effect.gen(function* () {
        const blocks = yield* listen(bus, "blocks")
        const meter = yield* listen(bus, "meter")
        yield* bus.publish("blocks", "1")
        yield* bus.publish("meter", "2")
        yield* bus.publish("block", "3")
        yield* settle
        assert.deepStrictEqual([blocks.heard, meter.heard], [["1"], ["2"]])
      }))

    test("is no error when nobody listens, and nothing is kept for later", (bus) =>
      Effect.gen(function* () {
        yield* bus.publish("blocks", "before")
        const { heard } = yield* listen(bus, "blocks")
        yield* bus.publish("blocks", "after")
        yield* settle
        assert.deepStrictEqual(heard, ["after"])
      }))

    test("keeps each sender's order when several send at once", (bus) =>
      Effect.gen(function* () {
        const { heard } = yield* listen(bus, "blocks")
        yield* Effect.forEach(
          ["a", "b", "c"],
          (sender) =>
            Effect.forEach(
              Array.from({ length: 20 }, (_, n) => `${sender} ${n}`),
              (message) => bus.publish("blocks", message)
            ),
          { concurrency: "unbounded" }
        )
        yield* settle
        assert.lengthOf(heard, 60)
        for (const sender of ["a", "b", "c"]) {
          assert.deepStrictEqual(
            heard.filter((message) => message.startsWith(sender)),
            Array.from({ length: 20 }, (_, n) => `${sender} ${n}`)
          )
        }
      }))

    test("carries any text", (bus) =>
      Effect.gen(function* () {
        const { heard } = yield* listen(bus, "blocks")
        const texts = ["", '{"height":1}', "ünïcödé \u{1f512}", "a\nb\r\n", "x".repeat(100_000)]
        for (const text of texts) yield* bus.publish("blocks", text)
        yield* settle
        assert.deepStrictEqual(heard, texts)
      }))

    test("ends with the subscriber: the others go on, and it may come again", (bus) =>
      Effect.gen(function* () {
        const leaving = yield* listen(bus, "blocks")
        const staying = yield* listen(bus, "blocks")
        yield* bus.publish("blocks", "1")
        yield* settle
        yield* leaving.stop
        yield* bus.publish("blocks", "2")
        yield* settle
        const back = yield* listen(bus, "blocks")
        yield* bus.publish("blocks", "3")
        yield* settle
        assert.deepStrictEqual([leaving.heard, staying.heard, back.heard], [["1"], ["1", "2", "3"], ["3"]])
      }))

    test("says when it listens, before the first message", (bus) =>
      Effect.gen(function* () {
        yield* bus.publish("blocks", "before")
        const heard: Array<string> = []
        yield* Effect.forkChild(
          Stream.runForEach(bus.listen("blocks"), (word) =>
            Effect.sync(() => void heard.push(word._tag === "Message" ? word.payload : word._tag))
          )
        )
        yield* settle
        assert.deepStrictEqual(heard, ["Listening"])
        yield* bus.publish("blocks", "1")
        yield* bus.publish("other", "2")
        yield* bus.publish("blocks", "")
        yield* settle
        assert.deepStrictEqual(heard, ["Listening", "1", ""])
      }))

    test("says that messages were missed to whom they were, and hides none between two such words", (bus) =>
      Effect.gen(function* () {
        const go = yield* Deferred.make<void>()
        const heard: Array<string> = []
        yield* Effect.forkChild(
          Stream.runForEach(bus.listen("blocks"), (word) =>
            Effect.andThen(
              Effect.sync(() => void heard.push(word._tag === "Message" ? word.payload : word._tag)),
              heard.length > 2 ? Deferred.await(go) : Effect.void
            )
          )
        )
        yield* settle
        const sent = Array.from({ length: 5_000 }, (_, n) => `${n}`)
        for (const message of sent) yield* bus.publish("blocks", message)
        yield* settle
        yield* Deferred.succeed(go, undefined)
        yield* settle
        yield* bus.publish("blocks", "last")
        for (let waits = 0; heard.at(-1) !== "last" && waits < 100; waits++) yield* settle
        assert.strictEqual(heard[0], "Listening")
        assert.strictEqual(heard.at(-1), "last")
        const runs = heard.join(" ").split("Listening").slice(1)
        for (const run of runs) {
          const numbers = run
            .trim()
            .split(" ")
            .filter((text) => text !== "" && text !== "last")
            .map(Number)
          numbers.forEach((n, at) => assert.strictEqual(n, (numbers[0] ?? 0) + at))
        }
      }))

    test("does not wait for a subscriber that does not listen any more", (bus) =>
      Effect.gen(function* () {
        yield* Effect.forkChild(Stream.runForEach(bus.subscribe("blocks"), () => Effect.never))
        const { heard } = yield* listen(bus, "blocks")
        const sent = Array.from({ length: 200 }, (_, n) => `message ${n}`)
        for (const message of sent) yield* bus.publish("blocks", message)
        yield* settle
        assert.deepStrictEqual(heard, sent)
      }))
  })
}
