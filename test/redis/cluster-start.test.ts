import { execFileSync } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { describeWith } from '../support/needs.js'
import { startCluster } from '../support/redis-server.js'

/** Processes that this one started and that have not ended. */
function children(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'ProcessWrap').length
}

describeWith('redis-server', 'a cluster that fails to start leaves no process', () => {
  it('where a node refuses its slots', async () => {
    const before = children()
    await expect(startCluster({ 'cluster-enabled': 'no' })).rejects.toThrow('cluster support disabled')
    expect(children()).toBe(before)
  })

  it('where one of the servers does not start', async () => {
    const before = children()
    const dir = await mkdtemp(join(tmpdir(), 'cheqpoint-path-'))
    onTestFinished(() => rm(dir, { recursive: true }))
    onTestFinished(() => void vi.unstubAllEnvs())
    const real = execFileSync('/bin/sh', ['-c', 'command -v redis-server'], { encoding: 'utf8' }).trim()
    const file = join(dir, 'redis-server')
    await writeFile(file, `#!/bin/sh\nmkdir ${dir}/first 2>/dev/null && exit 1\nexec ${real} "$@"\n`)
    await chmod(file, 0o755)
    vi.stubEnv('PATH', `${dir}${delimiter}${process.env['PATH']}`)
    await expect(startCluster()).rejects.toThrow('redis-server did not start')
    expect(children()).toBe(before)
  })
})
