import { generateKeyPairSync } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { ed25519PublicBytes } from '../../src/lib/ed25519.ts'
import { newSecret, publicKeyText, signedHeaders } from '../../src/webhooks/signature.ts'
import { canRun, runProgram } from '../fixtures/program.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** The functions of docs/webhooks.md, with which receivers verify, on requests as the gateway signs them. */

interface Sample {
  name: string
  headers: Record<string, string>
  body: string
  key: string
  isGenuine: boolean
}

const { privateKey } = generateKeyPairSync('ed25519')
const [secret, oldSecret] = [newSecret(), newSecret()]
const seconds = Math.floor(Date.now() / 1_000)
const body = '{"type":"messages","items":[{"data":"größer ✓"}]}'
const signed = signedHeaders({ id: 'msg_1', timestamp: seconds, body }, { secrets: [secret, oldSecret], signingKey: privateKey })
const late = signedHeaders({ id: 'msg_1', timestamp: seconds - 3_600, body }, { secrets: [secret], signingKey: undefined })

const samples: Sample[] = [
  { name: 'the secret', headers: signed, body, key: secret, isGenuine: true },
  { name: 'the secret before', headers: signed, body, key: oldSecret, isGenuine: true },
  { name: 'another secret', headers: signed, body, key: newSecret(), isGenuine: false },
  { name: 'another body', headers: signed, body: body.replace('größer', 'kleiner'), key: secret, isGenuine: false },
  { name: 'another id', headers: { ...signed, 'webhook-id': 'msg_2' }, body, key: secret, isGenuine: false },
  { name: 'an old request', headers: late, body, key: secret, isGenuine: false },
]
const ofKeys: Sample[] = [
  { name: 'the public key', headers: signed, body, key: publicKeyText(ed25519PublicBytes(privateKey)), isGenuine: true },
  {
    ...{ name: 'another public key', headers: signed, body, isGenuine: false },
    key: publicKeyText(ed25519PublicBytes(generateKeyPairSync('ed25519').privateKey)),
  },
]

/** Each program reads the samples as JSON from the file of its argument, and prints the verdicts as JSON. */
const programs = {
  js: {
    ...{ file: 'verify.mjs', main: 'main.mjs', tool: 'node', version: '--version', args: ['main.mjs', 'samples.json'] },
    program: `import { readFileSync } from 'node:fs'
import { isGenuine } from './verify.mjs'
const samples = JSON.parse(readFileSync(process.argv[2], 'utf8'))
console.log(JSON.stringify(samples.map(({ headers, body, key }) => isGenuine(headers, Buffer.from(body), key))))
`,
  },
  python: {
    ...{ file: 'verify.py', main: 'main.py', tool: 'python3', version: '--version', args: ['main.py', 'samples.json'] },
    program: `import json, sys
from verify import is_genuine
samples = json.load(open(sys.argv[1], encoding="utf-8"))
print(json.dumps([is_genuine(each["headers"], each["body"].encode(), each["key"]) for each in samples]))
`,
  },
  go: {
    ...{ file: 'verify.go', main: 'main.go', tool: 'go', version: 'version', args: ['run', 'verify.go', 'main.go', 'samples.json'] },
    program: `package main

import (
	"encoding/json"
	"net/http"
	"os"
	"time"
)

func main() {
	var samples []struct {
		Headers   map[string]string
		Body, Key string
	}
	text, _ := os.ReadFile(os.Args[1])
	if err := json.Unmarshal(text, &samples); err != nil {
		panic(err)
	}
	verdicts := []bool{}
	for _, each := range samples {
		header := http.Header{}
		for name, value := range each.Headers {
			header.Set(name, value)
		}
		verdicts = append(verdicts, isGenuine(header, []byte(each.Body), each.Key, time.Now()))
	}
	json.NewEncoder(os.Stdout).Encode(verdicts)
}
`,
  },
}

let page = ''
beforeAll(async () => {
  page = await readFile(new URL('../../docs/webhooks.md', import.meta.url), 'utf8')
})

describe.each(Object.entries(programs))('%s', (language, { file, main, tool, version, args, program }) => {
  test('accepts what the gateway has signed, and nothing else (needs the language)', async ({ skip }) => {
    skip(!(await canRun(tool, [version])), `there is no ${tool}`)
    const directory = await temporaryDirectory()
    const [, code = ''] = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(page) ?? []
    // Python's standard library has no Ed25519.
    const asked = language === 'python' ? samples : [...samples, ...ofKeys]
    const files = { [file]: code, [main]: program, 'samples.json': JSON.stringify(asked) }
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
    const printed = await runProgram(tool, args, { cwd: directory })
    const verdicts: boolean[] = JSON.parse(printed)
    expect(asked.map(({ name }, index) => [name, verdicts[index]])).toEqual(asked.map(({ name, isGenuine }) => [name, isGenuine]))
  })
})
