import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseAst } from 'vitest/node'

/*
 * Copies built files and adds calls that report the position of execution: at the start of each function, and after
 * each call and await.
 */

/** A node of the syntax tree, as far as it is used here. */
interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
}

const functions = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'])
const calls = new Set(['CallExpression', 'NewExpression', 'AwaitExpression', 'TaggedTemplateExpression'])

/** Copies folders of a build, instrumented. The copy calls `globalThis.$enter(file)` and `globalThis.$back(file, value)`. */
export function instrument(build: string, folders: readonly string[], copy: string): void {
  rmSync(copy, { recursive: true, force: true })
  for (const folder of folders) {
    cpSync(join(build, folder), join(copy, folder), { recursive: true })
    for (const entry of readdirSync(join(copy, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.js')) continue
      const path = join(entry.parentPath, entry.name)
      writeFileSync(path, rewrite(readFileSync(path, 'utf8'), relative(copy, path).replace(/js$/, 'ts')))
    }
  }
}

function rewrite(text: string, file: string): string {
  const name = JSON.stringify(file)
  const inserts: { readonly at: number; readonly order: number; readonly text: string }[] = []
  const insert = (at: number, added: string): void => void inserts.push({ at, order: inserts.length, text: added })
  walk(parseAst(text), (node, parent) => {
    if (functions.has(node.type)) enter(node, insert, name)
    // An optional chain is one expression, since a missing value ends all of it.
    const isCall = node.type === 'ChainExpression' || (calls.has(node.type) && parent?.type !== 'ChainExpression')
    if (!isCall || isInChain(node, parent)) return
    insert(node.start, `$back(${name}, `)
    insert(node.end, ')')
  })
  // Inner expressions close first; at equal starts, outer ones open first.
  const sorted = inserts.sort(
    (a, b) => a.at - b.at || (a.text === ')' || b.text === ')' ? closing(a, b) : a.order - b.order),
  )
  let made = ''
  let done = 0
  for (const { at, text: added } of sorted) {
    made += text.slice(done, at) + added
    done = at
  }
  return made + text.slice(done)
}

function closing(a: { readonly text: string }, b: { readonly text: string }): number {
  return Number(b.text === ')') - Number(a.text === ')')
}

/** A call inside a longer chain such as `a?.b().c`, which cannot be wrapped alone. */
function isInChain(node: Node, parent: Node | undefined): boolean {
  return parent?.type === 'MemberExpression' && node.type === 'CallExpression' && hasOptional(node)
}

function hasOptional(node: Node): boolean {
  const { optional, callee, object }: { optional?: unknown; callee?: Node; object?: Node } = Object(node)
  const inner = callee ?? object
  return optional === true || (inner !== undefined && hasOptional(inner))
}

function enter(node: Node, insert: (at: number, added: string) => void, name: string): void {
  const { body, expression }: { body?: Node & { readonly body?: readonly Node[] }; expression?: boolean } = Object(node)
  if (body === undefined) return
  if (body.type !== 'BlockStatement' || expression === true) {
    insert(body.start, `($enter(${name}), `)
    insert(body.end, ')')
  } else insert(body.start + 1, `$enter(${name});`)
}

function walk(node: unknown, visit: (node: Node, parent: Node | undefined) => void, parent?: Node): void {
  if (Array.isArray(node)) for (const each of node) walk(each, visit, parent)
  if (typeof node !== 'object' || node === null || !('type' in node) || typeof node.type !== 'string') return
  // An object with a type is a node.
  const self = node as Node
  visit(self, parent)
  for (const value of Object.values(node)) walk(value, visit, self)
}
