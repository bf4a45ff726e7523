import v8 from 'node:v8'
import vm from 'node:vm'

/** Bytes in use after garbage collection: heap and external buffers. */
export function bytesInUse(): number {
  v8.setFlagsFromString('--expose-gc')
  const collect: () => void = vm.runInNewContext('gc')
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
