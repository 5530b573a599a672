import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../fixtures/free-port.ts'
import { type EngineName, type GatewayProcess, quietEnvironment, startGateway } from '../fixtures/gateway-process.ts'
import { hasPostgres, type PostgresServer, startPostgres } from '../fixtures/postgres-server.ts'
import { buildDiskJournal, createJournaledDisk, hasCompiler, type JournaledDisk } from '../fixtures/power-loss/journaled-disk.ts'
import { nothingAcknowledged, startLoad } from '../fixtures/power-loss/load.ts'
import { onlyWhatIsSynced, type Survives, type Tree } from '../fixtures/power-loss/replay.ts'
import { createRandom } from '../fixtures/random.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { byLength } from '../fixtures/test-length.ts'

/**
 * The power fails: of what was written, a disk has what an fsync has promised, and by chance some of the rest. The journal of a disk
 * (fixtures/power-loss) tells what that is. A process that is killed proves less: what it wrote is still there (crash.test.ts).
 */

const cuts = byLength({ gate: 2, full: 10 })

/** A gateway on a disk of its own, always at the same addresses. */
interface House {
  readonly disk: JournaledDisk
  start(): Promise<GatewayProcess>
}

interface HouseInit {
  library: string
  root: string
  engine: EngineName
  bootstrap?: string[]
  /** URL of a database elsewhere; by default it has one of its own. */
  database: string | undefined
}

async function buildHouse(init: HouseInit): Promise<House> {
  const disk = await createJournaledDisk(init)
  const env = {
    ...quietEnvironment(join(disk.root, 'data'), init.engine),
    ...disk.environment,
    PEERGATE_LISTEN: `/ip4/127.0.0.1/tcp/${await freePort()}${init.engine === 'custom' ? '/ws' : ''}`,
    PEERGATE_BOOTSTRAP: (init.bootstrap ?? []).join(','),
    PEERGATE_LAST_DELIVERY_RETRY_MS: '1000',
    ...(init.database === undefined ? {} : { DATABASE_URL: init.database }),
  }
  return {
    disk,
    async start() {
      const gateway = await startGateway(env)
      onTestFinished(async () => void (await gateway.end('SIGKILL')))
      return gateway
    },
  }
}

interface Databases {
  disk: JournaledDisk
  server: PostgresServer
  /** Until the server is gone it makes checkpoints, and begins the next file of its write-ahead log. */
  makeCheckpoints(): Promise<void>
}

/** A PostgreSQL server on a disk of its own, which keeps few files of its write-ahead log, and so writes them again. */
async function buildDatabases(library: string): Promise<Databases> {
  const disks: JournaledDisk[] = []
  const server = await startPostgres({
    walSegmentMiB: 1,
    settings: { max_wal_size: '4MB', min_wal_size: '2MB', autovacuum_naptime: '1' },
    async prepare(root, owner) {
      const disk = await createJournaledDisk({ library, root, owner, fileSystem: 'journal' })
      disks.push(disk)
      return disk.environment
    },
  })
  onTestFinished(() => server.stop())
  const [disk] = disks
  if (disk === undefined) throw new Error('the server has not asked for its disk')
  const url = await server.createDatabase()
  return {
    disk,
    server,
    async makeCheckpoints() {
      for (;;) {
        const done = server.query(url, 'CHECKPOINT').then(() => server.query(url, 'SELECT pg_switch_wal()'))
        if (!(await done.then(Boolean, () => false))) return
      }
    },
  }
}

/** A sender and a recipient of direct messages, both running, and what their clients were told. */
async function buildTown(engine: EngineName, kind: 'SQLite' | 'PostgreSQL') {
  const directory = await temporaryDirectory()
  const library = await buildDiskJournal()
  const databases = kind === 'PostgreSQL' ? await buildDatabases(library) : undefined
  const build = async (name: string, bootstrap: string[]) =>
    await buildHouse({ library, root: join(directory, name), engine, bootstrap, database: await databases?.server.createDatabase() })
  const recipient = await build('recipient', [])
  let there = await recipient.start()
  const sender = await build('sender', there.multiaddrs)
  let here = await sender.start()
  const disks = [sender, recipient, ...(databases === undefined ? [] : [databases])].map(({ disk }) => disk)
  const acknowledged = nothingAcknowledged()
  const received = async () => (await createRest(there.url).history('kind=direct')).map(({ id }) => id)

  return {
    acknowledged,
    disks,
    /** Everybody publishes and sends until, so long after the first acknowledgements, the power fails everywhere at once. */
    async untilPowerFails({ name, afterMs, survives }: { name: string; afterMs: number; survives: Survives }): Promise<void> {
      const load = startLoad({ url: here.url, to: there.peerId, name }, acknowledged)
      const checkpoints = databases?.makeCheckpoints()
      await load.under
      await delay(afterMs)
      await Promise.all([databases?.server.kill(), here.end('SIGKILL'), there.end('SIGKILL')])
      await Promise.all([load.ended, checkpoints])
      for (const disk of disks) await disk.cutPower(survives)
    },
    /** Starts both again. @returns what was acknowledged and is not there, once, where it was said to be */
    async missing(): Promise<Record<keyof typeof nothing, string[]>> {
      await databases?.server.start()
      // The recipient comes up alone: nobody can send again what it has lost.
      there = await recipient.start()
      const atFirst = new Set(await received())
      here = await sender.start()
      const rest = createRest(here.url)
      const log = await rest.history('topic=orders')
      const queued = async () => (await rest.get<{ items: unknown[] }>('/v1/deliveries?state=queued&limit=1')).items.length
      await expect.poll(queued, { timeout: 60_000, interval: 100 }).toBe(0)
      const direct = await received()
      const arrived = new Set(direct)
      const cursors = new Map(log.map(({ id, cursor }) => [id, cursor]))
      const told = [...acknowledged.published, ...acknowledged.read]
      const lost = Map.groupBy(
        told.filter(({ id, cursor }) => cursors.get(id) !== cursor),
        ({ way }) => way,
      )
      const lostBy = (way: (typeof told)[number]['way']) => lost.get(way)?.map(({ id }) => id) ?? []
      return {
        rest: lostBy('rest'),
        stream: lostBy('stream'),
        page: lostBy('page'),
        follow: lostBy('follow'),
        delivered: [...acknowledged.delivered].filter((id) => !atFirst.has(id)),
        accepted: [...acknowledged.accepted].filter((id) => !arrived.has(id)),
        twice: [...repeated(log.map(({ id }) => id)), ...repeated(direct)],
      }
    },
    async end(): Promise<void> {
      await Promise.all([here.end('SIGTERM'), there.end('SIGTERM')])
      await databases?.server.shutDown()
    },
  }
}

const nothing = { rest: [], stream: [], page: [], follow: [], delivered: [], accepted: [], twice: [] }

function repeated(ids: string[]): string[] {
  const seen = new Set<string>()
  return ids.filter((id) => seen.has(id) || !seen.add(id))
}

/** But for the index of a WAL, which is rebuilt. */
function durable(tree: Tree): Record<string, string> {
  const files = [...tree].filter(([path]) => !path.endsWith('-shm'))
  return Object.fromEntries(files.map(([path, bytes]) => [path, bytes === null ? 'a directory' : sha256(bytes)]))
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

// Only a compiler makes the library that sees what is written; the gate installs one, another machine may have none.
const testOnDisk = test.skipIf(process.platform !== 'linux' || !hasCompiler)

testOnDisk.for([
  ['custom', 'SQLite'],
  ['libp2p', 'SQLite'],
  ['custom', 'PostgreSQL'],
] as const)(
  'what was acknowledged is there, once, after the power has failed (%s, %s; needs Linux and cc)',
  { timeout: 240_000 },
  async ([engine, kind], { skip }) => {
    skip(kind === 'PostgreSQL' && !hasPostgres, 'needs PostgreSQL')
    const random = createRandom(20_261_128)
    const town = await buildTown(engine, kind)
    for (let round = 0; round < cuts; round++) {
      // The least that a disk may have, and then ever more of what was not promised.
      const survives: Survives = round === 0 ? onlyWhatIsSynced : () => random.chance(round / cuts)
      await town.untilPowerFails({ name: `${round}`, afterMs: random.below(300), survives })
      expect(await town.missing()).toEqual(nothing)
    }
    // Nothing was written that the journal does not know of.
    await town.end()
    for (const disk of town.disks) {
      const { files, written } = await disk.compare()
      expect(durable(written)).toEqual(durable(files))
    }
  },
)

testOnDisk('a disk that lies about fsync loses what was acknowledged, in every way (needs Linux and cc)', async () => {
  const town = await buildTown('custom', 'SQLite')
  for (const disk of town.disks) await disk.lie(true)
  await town.untilPowerFails({ name: 'lied', afterMs: 0, survives: onlyWhatIsSynced })
  for (const disk of town.disks) await disk.lie(false)
  const { rest, stream, page, follow, delivered, accepted } = await town.missing()
  for (const lost of [rest, stream, page, follow, delivered, accepted]) expect(lost).not.toEqual([])
})
