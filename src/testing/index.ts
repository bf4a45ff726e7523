export * from './fake-callback.js'
export * from './store-contract.js'
