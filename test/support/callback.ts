/** A callback as Cheqpoint sends it, for `receiver.fetch`; parts can be changed. */
export function callbackRequest(
  approvalId: string,
  {
    body,
    headers,
    url = 'https://app.test/webhooks/cheqpoint',
    method = 'POST',
  }: {
    readonly body?: unknown
    readonly headers?: Readonly<Record<string, string>>
    readonly url?: string
    readonly method?: string
  } = {},
): Request {
  const sent = body ?? { approvalId, status: 'approved', modifiedDetails: null, decisionNote: null }
  return new Request(url, {
    method,
    headers: { 'user-agent': 'Cheqpoint-Callback/1.0', 'content-type': 'application/json', ...headers },
    ...(method === 'GET' || method === 'HEAD' ? {} : { body: typeof sent === 'string' ? sent : JSON.stringify(sent) }),
  })
}
