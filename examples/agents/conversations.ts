/* Where an agent whose framework has no storage of its own keeps its conversations. */
import Database from 'better-sqlite3'

/** Conversations in an SQLite file, one for each ticket. */
export function openConversations<State>(path: string) {
  const database = new Database(path)
  database.exec('CREATE TABLE IF NOT EXISTS conversations (ticket TEXT PRIMARY KEY, state TEXT NOT NULL)')
  const select = database.prepare<[string], { state: string }>('SELECT state FROM conversations WHERE ticket = ?')
  const replace = database.prepare('INSERT OR REPLACE INTO conversations (ticket, state) VALUES (?, ?)')
  return {
    load(ticket: string): State | undefined {
      const row = select.get(ticket)
      return row === undefined ? undefined : JSON.parse(row.state)
    },
    save(ticket: string, state: State): void {
      replace.run(ticket, JSON.stringify(state))
    },
  }
}
