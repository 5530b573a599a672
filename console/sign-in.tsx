import { useState } from 'preact/hooks'
import { signIn, wordsOf } from './gateway.ts'
import { Card, Failure, Field } from './parts.tsx'

export function SignIn({ reason, done }: { reason: string; done: () => void }) {
  const [token, setToken] = useState('')
  const [error, setError] = useState<string>()
  const [isBusy, setBusy] = useState(false)

  async function submit(event: Event) {
    event.preventDefault()
    setBusy(true)
    setError(undefined)
    try {
      await signIn(token.trim())
      done()
    } catch (failure) {
      setError(wordsOf(failure))
    }
    setBusy(false)
  }

  return (
    <main class="sign-in">
      <h1 class="brand">Peergate</h1>
      <Card title="Sign in">
        <p role="status">{reason}</p>
        <form onSubmit={submit}>
          <Field label="Token">
            <input
              type="password"
              autocomplete="off"
              required
              value={token}
              onInput={({ currentTarget }) => setToken(currentTarget.value)}
            />
          </Field>
          <Failure error={error} />
          <button class="first" type="submit" disabled={isBusy}>
            Sign in
          </button>
        </form>
      </Card>
      <p class="faint">
        <code>peergate token create</code> creates one. The browser keeps a session in a cookie, not the token.
      </p>
    </main>
  )
}
