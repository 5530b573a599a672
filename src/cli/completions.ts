import type { Command } from 'commander'

export const shells = ['bash', 'zsh', 'fish'] as const

/** What can follow the words of a command: `peers` → `list`, `dial`, …, `--state`. */
interface Words {
  /** The names of commands that lead there, with spaces between them; empty for the program. */
  path: string
  commands: { name: string; description: string }[]
  options: { name: string; description: string }[]
}

/** A script for a shell, made of the commands themselves. */
export function completionScript(shell: (typeof shells)[number], program: Command): string {
  const all = wordsOf(program, [], program.options.map(optionOf))
  return { bash, zsh, fish }[shell](program.name(), all)
}

const optionOf = ({ long, short, description }: { long?: string | undefined; short?: string | undefined; description: string }) => ({
  name: long ?? short ?? '',
  description,
})

function wordsOf(command: Command, path: string[], shared: Words['options']): Words[] {
  const own = path.length === 0 ? [] : command.options.map(optionOf)
  const words = {
    path: path.join(' '),
    commands: command.commands.map((each) => ({ name: each.name(), description: each.description() })),
    options: [...own, ...shared, { name: '--help', description: 'show what the command takes' }],
  }
  return [words, ...command.commands.flatMap((each) => wordsOf(each, [...path, each.name()], shared))]
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`
const listOf = ({ commands, options }: Words) => [...commands, ...options].map(({ name }) => name).join(' ')

function bash(name: string, all: Words[]): string {
  const cases = all.map((words) => `    ${quoted(words.path)}) words=${quoted(listOf(words))} ;;`)
  return `# bash completion of ${name}
_${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} path='' words='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] && continue
    case "$path\${path:+ }$word" in
      ${all.flatMap(({ path }) => (path === '' ? [] : [quoted(path)])).join('|')}) path="$path\${path:+ }$word" ;;
    esac
  done
  case $path in
${cases.join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _${name} ${name}
`
}

function zsh(name: string, all: Words[]): string {
  const cases = all.map((words) => `    ${quoted(words.path)}) found=(${describedAll(words)}) ;;`)
  return `#compdef ${name}
_${name}() {
  local path_of='' word
  local -a found
  for word in "\${(@)words[2,CURRENT-1]}"; do
    [[ $word == -* ]] && continue
    case "$path_of\${path_of:+ }$word" in
      ${all.flatMap(({ path }) => (path === '' ? [] : [quoted(path)])).join('|')}) path_of="$path_of\${path_of:+ }$word" ;;
    esac
  done
  case $path_of in
${cases.join('\n')}
  esac
  _describe -o ${name} found || _files
}
compdef _${name} ${name}
`
}

const describedAll = ({ commands, options }: Words) =>
  [...commands, ...options]
    .map(({ name, description }) => quoted(`${name.replaceAll(':', '\\:')}:${description.replaceAll(':', '\\:')}`))
    .join(' ')

function fish(name: string, all: Words[]): string {
  const lines = all.flatMap(({ path, commands, options }) => {
    const seen = path === '' ? [] : path.split(' ')
    const further = commands.length === 0 ? [] : [`; and not __fish_seen_subcommand_from ${commands.map((each) => each.name).join(' ')}`]
    const at = [...(seen.length === 0 ? ['true'] : seen.map((word) => `__fish_seen_subcommand_from ${word}`))].join('; and ')
    return [
      ...commands.map(
        (each) => `complete -c ${name} -f -n ${quoted(at + further.join(''))} -a ${quoted(each.name)} -d ${quoted(each.description)}`,
      ),
      ...options.map(
        (each) => `complete -c ${name} -n ${quoted(at)} -l ${quoted(each.name.replace(/^--/, ''))} -d ${quoted(each.description)}`,
      ),
    ]
  })
  return `# fish completion of ${name}\n${lines.join('\n')}\n`
}
