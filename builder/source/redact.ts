// Text as people may see it: without the users and passwords that URLs have in them.

/** A text with the credentials of every http URL in it replaced. */
export function redact(text: string): string {
  return text
    .replaceAll(/\b((?:https?|ssh):\/\/)[^\s/@:]*:[^\s/@]*@/gi, "$1xxxxx@")
    .replaceAll(/\b(https?:\/\/)(?!xxxxx@)[^\s/@]+@/gi, "$1xxxxx@");
}
