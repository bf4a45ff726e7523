import { readFileSync } from 'node:fs'

export interface CodeBlock {
  /** The word after the language, or the number of the block. */
  readonly name: string
  readonly code: string
}

/** Code blocks of a Markdown file in one language. */
export function codeBlocks(file: string, language: string): readonly CodeBlock[] {
  const text = readFileSync(file, 'utf8')
  const found = text.matchAll(new RegExp(`^\`\`\`${language}(?: (\\S+))?\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))
  return [...found].map(([, name, code = ''], index) => ({ name: name ?? String(index + 1), code }))
}

/** Rows of a Markdown table: the table between two marks, or the only one. */
export function tableRows(file: string, mark?: string): readonly (readonly string[])[] {
  const text = readFileSync(file, 'utf8')
  const part = mark === undefined ? text : (text.split(`<!-- ${mark} -->`)[1]?.split(`<!-- /${mark} -->`)[0] ?? '')
  const lines = part.split('\n').filter((line) => line.startsWith('|'))
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

/** Words in backquotes. */
export function quoted(cell: string): readonly string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word)
}
