#!/usr/bin/env node
// The command of the package. It runs on the Node of the host if that is new enough, else on the one that comes as a package.
// This file has to be understood by every Node that may start it.
import { spawn } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, realpathSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath, URL } from 'node:url'

const needed = 24
/** Milliseconds after which a gateway, which may never end by itself, writes what was compiled for its start. */
const writeCacheAfterMs = 5_000

if (Number(process.versions.node.split('.')[0]) >= needed) await run()
else await runOnPackagedNode()

async function run() {
  const built = new URL('../dist/peergate.js', import.meta.url)
  const source = new URL('../src/cli/peergate.ts', import.meta.url)
  if (!existsSync(built) && !existsSync(source)) fail(`Peergate is not built: ${fileURLToPath(built)} is missing. Build it: npm run build`)
  keepCompiled()
  // A clone of the project that is not built runs from its sources.
  await import(existsSync(built) ? built.href : source.href)
}

/** Lets Node keep what it compiles, so that later starts need not compile it again. Without a safe place it keeps nothing. */
function keepCompiled() {
  const directory = cacheDirectory()
  if (directory === undefined) return
  module.enableCompileCache(directory)
  setTimeout(() => module.flushCompileCache(), writeCacheAfterMs).unref()
}

/**
 * The cache directory of the user, as the XDG Base Directory Specification has it. Node runs what it finds there, so it is
 * used only if no other user can write to it or put another in its place.
 */
function cacheDirectory() {
  const { HOME = '', XDG_CACHE_HOME = '' } = process.env
  const base = isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(HOME, '.cache')
  if (process.getuid === undefined || !isAbsolute(base)) return undefined
  try {
    if (!pathTo(existing(base)).every(isSafe)) return undefined
    mkdirSync(join(base, 'peergate'), { recursive: true, mode: 0o700 })
    const directory = join(realpathSync(base), 'peergate')
    return isOwn(directory) && pathTo(base).every(isSafe) ? directory : undefined
  } catch {
    return undefined
  }
}

/** The path, or the first directory above it that exists. */
function existing(path) {
  return existsSync(path) ? path : existing(dirname(path))
}

/** A directory and those above it, without symbolic links. */
function pathTo(directory) {
  const path = realpathSync(directory)
  return path === dirname(path) ? [path] : [path, ...pathTo(dirname(path))]
}

function isOwn(directory) {
  const stats = lstatSync(directory)
  return stats.isDirectory() && stats.uid === process.getuid() && (stats.mode & 0o022) === 0
}

/** Whether nobody but this user and root can rename what is in a directory: nobody else may write to it, or it is sticky. */
function isSafe(directory) {
  const { uid, mode } = lstatSync(directory)
  return (uid === process.getuid() || uid === 0) && ((mode & 0o022) === 0 || (mode & 0o1000) !== 0)
}

async function runOnPackagedNode() {
  const packaged = packagedNode()
  if (packaged === undefined)
    fail(
      `Peergate needs Node ${needed} or newer. This is ${process.version}, and the package "node" was installed without its program: install it with scripts allowed, or a newer Node.`,
    )
  const child = spawn(packaged, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  // A terminal sends these to the child too: a second one would end it at once.
  const forwarded = (signal) => signal === 'SIGTERM' || !process.stdin.isTTY
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => forwarded(signal) && child.kill(signal))
  child.on('exit', (code, signal) => process.exit(signal === null ? code : 128 + constants.signals[signal]))
}

/** The program of the package `node`; undefined without one, or if it is this Node itself. */
function packagedNode() {
  try {
    const packaged = realpathSync(join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin/node'))
    return packaged === realpathSync(process.execPath) ? undefined : packaged
  } catch {
    return undefined
  }
}

function fail(text) {
  process.stderr.write(`${text}\n`)
  process.exit(1)
}
