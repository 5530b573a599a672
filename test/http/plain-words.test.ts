import { expect, test } from 'vitest'
import { appForTest } from './app-for-test.ts'

interface Schema {
  $ref?: string
  properties?: Record<string, Schema>
}

interface Operation {
  parameters?: Array<{ name: string; in: string }>
  requestBody?: { content: Record<string, { schema: Schema }> }
}

const wrongValues = [null, true, 1.5, -1, '', 'x', [], [7], {}, { x: 1 }, 1e300]

test('every problem of a request is told in plain words, with a JSON Pointer to it', async () => {
  const { app, call } = await appForTest({ limits: { tokenBurst: 1_000_000, addressBurst: 1_000_000 } })
  const { paths, components } = (await app.inject('/openapi.json')).json()
  const resolved = (schema: Schema): Schema =>
    schema.$ref === undefined ? schema : components.schemas[schema.$ref.replace('#/components/schemas/', '')]
  let problems = 0
  const judge = ({ status, body }: { status: number; body: { code?: string; errors?: Array<{ path: string; message: string }> } }) => {
    if (status !== 400) return
    for (const { path, message } of body.errors ?? []) {
      problems++
      expect(message).toMatch(/^(is|has|must|does|requires)\b/)
      expect(message).not.toMatch(/[Ii]nvalid|expected|received|Too /)
      expect(path).toMatch(/^(\/.*)?$/)
    }
  }
  for (const [path, operations] of Object.entries<Record<string, Operation>>(paths)) {
    const url = path.replace('{peerId}', '12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu').replaceAll(/\{\w+\}/g, 'x')
    for (const [method, { parameters = [], requestBody }] of Object.entries(operations)) {
      const schema = requestBody?.content['application/json']?.schema
      for (const value of schema === undefined ? [] : wrongValues) {
        judge(await call(method.toUpperCase(), url, { json: value }))
        for (const name of Object.keys(resolved(schema ?? {}).properties ?? {}))
          judge(await call(method.toUpperCase(), url, { json: { [name]: value } }))
      }
      for (const { name } of parameters.filter((parameter) => parameter.in === 'query')) {
        if (method === 'get') for (const value of ['', 'x', '-1', '1e9']) judge(await call('GET', `${url}?${name}=${value}`))
      }
    }
  }
  expect(problems).toBeGreaterThan(300)
})
