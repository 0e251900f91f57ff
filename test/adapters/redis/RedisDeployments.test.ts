/** Every kind of deployment and login, right and wrong: TLS, users, databases, Sentinel, replicas. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { getCACertificates, setDefaultCACertificates } from "node:tls"
import { assert, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { parseRedisUrl } from "../../../adapters/config/RedisUrl.ts"
import * as RedisConnections from "../../../adapters/redis/RedisConnections.ts"
import type { RedisAddress } from "../../../adapters/redis/RedisSettings.ts"
import { redisBinaries } from "../../support/RedisBinaries.ts"
import { eventually, redisProcess, selfSignedCertificate } from "../../support/RedisProcess.ts"
import { ask, cluster, sentinel, settingsFor, standalone, standaloneAddress } from "../../support/RedisServers.ts"

const over =
  (address: RedisAddress) =>
  <A, E>(body: (connections: RedisConnections.RedisConnections["Service"]) => Effect.Effect<A, E>) =>
    RedisConnections.RedisConnections.use(body).pipe(Effect.provide(RedisConnections.layer(settingsFor(address))))

const refused = (address: RedisAddress) => over(address)(({ ping }) => Effect.flip(ping))

/** An address as a configuration file has it. */
const urlAddress = (url: string): RedisAddress =>
  Result.getOrThrowWith(parseRedisUrl(url), (sentence) => new Error(sentence))

const binaries = redisBinaries()

for (const { path, version } of binaries) {
  const test = <E>(title: string, body: Effect.Effect<void, E>) => it.live(`Redis ${version}: ${title}`, () => body)

  test(
    "logs in as a user of the access list, and says what it may not do",
    Effect.scoped(
      Effect.gen(function* () {
        const { servers } = yield* standalone(path, ["--requirepass", "default-secret"])
        const port = servers[0]!.port
        const asDefault = over(standaloneAddress(port, { password: "default-secret" }))
        yield* asDefault(({ commands }) =>
          commands.call(
            "acl",
            "setuser",
            "relayer",
            "on",
            ">p@ss:w/rd",
            "~ours:*",
            "+@all",
            "-@dangerous",
            "+info",
            "+acl"
          )
        )
        const user = { username: "relayer", password: "p@ss:w/rd" }
        yield* over(standaloneAddress(port, user))(({ commands, ping }) =>
          Effect.gen(function* () {
            yield* ping
            assert.strictEqual(yield* commands.call("acl", "whoami"), "relayer")
            assert.strictEqual(yield* commands.call("set", "ours:key", "x"), "OK")
            assert.strictEqual((yield* Effect.flip(commands.call("set", "theirs", "secret"))).kind, "noperm")
            const failure = yield* Effect.flip(commands.call("keys", "*"))
            assert.strictEqual(failure.kind, "noperm")
            assert.include(failure.message, "extend its ACL")
          })
        )
        for (const wrong of [{ password: "not-it" }, { ...user, password: "not-it" }, {}]) {
          const failure = yield* refused(standaloneAddress(port, wrong))
          assert.strictEqual(failure.kind, "auth")
          assert.notInclude(failure.message, "not-it")
        }
      })
    )
  )

  test(
    "uses the database of the URL",
    Effect.scoped(
      Effect.gen(function* () {
        const { servers } = yield* standalone(path)
        const port = servers[0]!.port
        yield* over(standaloneAddress(port, { database: 3 }))(({ commands }) => commands.call("set", "k", "in three"))
        const found = yield* over(standaloneAddress(port))(({ commands }) =>
          Effect.all([commands.call("get", "k"), commands.call("info", "keyspace")])
        )
        assert.isNull(found[0])
        assert.include(String(found[1]), "db3:keys=1")
      })
    )
  )

  test(
    "fails typed and at once where nobody listens",
    Effect.gen(function* () {
      const failure = yield* refused(standaloneAddress(1))
      assert.strictEqual(failure.kind, "unavailable")
      assert.include(failure.message, "ECONNREFUSED")
    })
  )

  test(
    "says that a server is a replica when it is written to",
    Effect.scoped(
      Effect.gen(function* () {
        const { servers } = yield* standalone(path)
        const replica = yield* redisProcess(path, { args: ["--replicaof", "127.0.0.1", String(servers[0]!.port)] })
        yield* over(standaloneAddress(replica.port))(({ commands }) =>
          Effect.gen(function* () {
            const failure = yield* Effect.flip(commands.call("set", "k", "v"))
            assert.strictEqual(failure.kind, "readonly")
            assert.include(failure.message, "master")
          })
        )
      })
    )
  )

  test(
    "says that memory is full, also from inside a script",
    Effect.scoped(
      Effect.gen(function* () {
        const { address } = yield* standalone(path, ["--maxmemory", "1"])
        yield* over(address)(({ commands }) =>
          Effect.gen(function* () {
            assert.strictEqual((yield* Effect.flip(commands.call("set", "k", "v"))).kind, "oom")
            const inside = commands.call("eval", "return redis.call('SET', KEYS[1], 'v')", 1, "k")
            assert.strictEqual((yield* Effect.flip(inside)).kind, "oom")
          })
        )
      })
    )
  )

  test(
    "follows a failover of Sentinel, and never writes to the master of before",
    Effect.scoped(
      Effect.gen(function* () {
        const { address, servers } = yield* sentinel(path)
        const [master, replica] = servers
        yield* over(address)(({ commands, topology }) =>
          Effect.gen(function* () {
            assert.strictEqual(topology, "sentinel")
            yield* commands.call("set", "k", "before")
            yield* master!.signal("SIGSTOP")
            yield* eventually(Effect.asVoid(commands.call("set", "k", "after")))
            assert.strictEqual(yield* ask(replica!.port, "get", "k"), "after")
            yield* master!.signal("SIGCONT")
            yield* eventually(Effect.asVoid(commands.call("set", "k", "later")))
            assert.strictEqual(yield* ask(replica!.port, "get", "k"), "later")
          })
        )
      })
    )
  )
}

for (const { path, version } of binaries.slice(0, 1)) {
  it.live(`Redis ${version}: Sentinel, with the password of the data servers and a database`, () =>
    Effect.gen(function* () {
      const { servers } = yield* sentinel(path)
      const [master, replica, watcher] = servers
      yield* ask(watcher!.port, "sentinel", "set", "mymaster", "auth-pass", "s3:cr@t")
      for (const { port } of [replica!, master!]) {
        yield* ask(port, "config", "set", "masterauth", "s3:cr@t")
        yield* ask(port, "config", "set", "requirepass", "s3:cr@t")
      }
      const url = (password: string) => `redis-sentinel://:${password}@127.0.0.1:${watcher!.port}/mymaster?db=2`
      yield* over(urlAddress(url("s3%3Acr%40t")))(({ commands, topology }) =>
        Effect.gen(function* () {
          assert.strictEqual(topology, "sentinel")
          assert.strictEqual(yield* commands.call("set", "k", "v"), "OK")
          assert.include(String(yield* commands.call("client", "info")), " db=2 ")
        })
      )
      assert.strictEqual((yield* refused(urlAddress(url("wrong")))).kind, "auth")
    }).pipe(Effect.scoped)
  )

  it.live(`Redis ${version}: Cluster, as a user of the access list on every node`, () =>
    Effect.gen(function* () {
      const { servers } = yield* cluster(path)
      for (const { port } of servers) {
        yield* ask(port, "acl", "setuser", "relayer", "on", ">p@ss", "~*", "&*", "+@all")
        yield* ask(port, "acl", "setuser", "default", "off")
      }
      const hosts = servers
        .slice(0, 2)
        .map(({ port }) => `127.0.0.1:${port}`)
        .join(",")
      yield* over(urlAddress(`redis-cluster://relayer:p%40ss@${hosts}`))(({ callEach, commands, topology }) =>
        Effect.gen(function* () {
          assert.strictEqual(topology, "cluster")
          for (const key of ["a", "b", "c", "d", "e", "f"]) {
            assert.strictEqual(yield* commands.call("set", key, "v"), "OK")
          }
          const users = yield* callEach("acl", "whoami")
          assert.deepStrictEqual([...users.values()], ["relayer", "relayer", "relayer"])
        })
      )
      assert.strictEqual((yield* refused(urlAddress(`redis-cluster://relayer:no@${hosts}`))).kind, "auth")
    }).pipe(Effect.scoped)
  )
}

/** A program built without TLS does not know the directive and ends with it; one with TLS cannot read the certificate. */
const speaksTls = (path: string): boolean => {
  const args = ["--port", "0", "--tls-port", "1", "--tls-cert-file", "/nonexistent", "--save", "", "--dir", tmpdir()]
  const { stdout, stderr } = spawnSync(path, args, { encoding: "utf8", timeout: 2_000 })
  return !/Bad directive|TLS support/.test(`${stdout}${stderr}`)
}

/** Gives up connections in every phase of their handshake; ends with 1 by an error that nobody listens for. */
const GIVE_UP = `
import { Duration } from "effect"
import { makeSingleClient } from "./adapters/redis/RedisClients.ts"
import { settingsFor, standaloneAddress } from "./test/support/RedisServers.ts"
const settings = settingsFor(standaloneAddress(Number(process.env.TLS_PORT), { tls: true }))
const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis))
for (let turn = 0; turn < 400; turn++) {
  const client = makeSingleClient(settings, { name: "test", silence: Duration.seconds(5) }, undefined)
  client.on("error", () => {})
  client.connect().catch(() => {})
  await pause(turn % 5)
  client.disconnect()
  await pause(1)
}
await pause(300)
`

it.live("Redis over TLS: a connection that is given up in its handshake ends nothing but itself", () =>
  Effect.gen(function* () {
    const dir = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "relaymill-tls-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const { certificate, key } = selfSignedCertificate(dir)
    const able = binaries.find(({ path }) => speaksTls(path))
    assert.isDefined(able, "no server program at hand was built with TLS")
    const server = yield* redisProcess(able.path, {
      tls: true,
      args: ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate]
    })
    const { status, stderr } = spawnSync(process.execPath, ["--input-type=module-typescript", "--eval", GIVE_UP], {
      encoding: "utf8",
      env: { ...process.env, TLS_PORT: String(server.port) },
      timeout: 60_000
    })
    assert.strictEqual(status, 0, stderr)
  }).pipe(Effect.scoped)
)

it.live("Redis over TLS: trusts what Node trusts, refuses the rest", () =>
  Effect.gen(function* () {
    const dir = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "relaymill-tls-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const { certificate, key } = selfSignedCertificate(dir)
    const able = binaries.filter(({ path }) => speaksTls(path))
    assert.isNotEmpty(able, "no server program at hand was built with TLS")
    for (const { path } of able) {
      const server = yield* redisProcess(path, {
        tls: true,
        args: `--tls-cert-file ${certificate} --tls-key-file ${key} --tls-ca-cert-file ${certificate} --tls-auth-clients no`.split(
          " "
        )
      })
      const address = standaloneAddress(server.port, { tls: true })
      const failure = yield* refused(address)
      assert.strictEqual(failure.kind, "tls")
      assert.include(failure.message, "NODE_EXTRA_CA_CERTS")
      assert.strictEqual((yield* refused(standaloneAddress(server.port))).kind, "unavailable")
      const unverified = urlAddress(`rediss://127.0.0.1:${server.port}/0?skip_verify=true`)
      assert.strictEqual(yield* over(unverified)(({ commands }) => commands.call("ping")), "PONG")
      // What NODE_EXTRA_CA_CERTS does for a process that starts with it.
      const before = getCACertificates("default")
      setDefaultCACertificates([...before, readFileSync(certificate, "utf8")])
      const answer = yield* over(address)(({ commands }) => commands.call("ping")).pipe(
        Effect.ensuring(Effect.sync(() => setDefaultCACertificates(before)))
      )
      assert.strictEqual(answer, "PONG")
    }
  }).pipe(Effect.scoped)
)
