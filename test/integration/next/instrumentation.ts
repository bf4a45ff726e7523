/** Next.js calls this once when its server starts. The sweep finds decisions whose callback was lost. */
export async function register() {
  if (process.env.NEXT_RUNTIME !== 'nodejs') return
  const { receiver } = await import('./receiver')
  await receiver.start()
}
