import type { Message } from '../clients/typescript/src/index.ts'

export const languages = ['curl', 'JavaScript', 'Python', 'Go'] as const
export type Language = (typeof languages)[number]

/** A program that publishes the data of a message again. */
export function snippet({ topic = '', data, encoding }: Message, language: Language, origin: string): string {
  const url = `${origin}/v1/topics/${encodeURIComponent(topic)}/messages`
  const body = JSON.stringify({ data, encoding })
  switch (language) {
    case 'curl':
      return `curl -H 'Content-Type: application/json' -H "Authorization: Bearer $PEERGATE_TOKEN" \\\n  -d '${body.replaceAll("'", "'\\''")}' \\\n  '${url.replaceAll("'", '%27')}'`
    case 'JavaScript':
      return `await fetch(${JSON.stringify(url)}, {
  method: 'POST',
  headers: { 'content-type': 'application/json', authorization: \`Bearer \${process.env.PEERGATE_TOKEN}\` },
  body: JSON.stringify(${body}),
})`
    case 'Python':
      return `import json, os, urllib.request

urllib.request.urlopen(urllib.request.Request(
    ${JSON.stringify(url)},
    json.dumps(json.loads(${JSON.stringify(body)})).encode(),
    {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["PEERGATE_TOKEN"]},
))`
    case 'Go':
      return `package main

import (
	"net/http"
	"os"
	"strings"
)

func main() {
	request, err := http.NewRequest("POST", ${JSON.stringify(url)}, strings.NewReader(${JSON.stringify(body)}))
	if err != nil {
		panic(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+os.Getenv("PEERGATE_TOKEN"))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	answer.Body.Close()
}`
    default:
      return language satisfies never
  }
}
