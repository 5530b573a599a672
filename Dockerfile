# syntax=docker/dockerfile:1

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.json ./
RUN npm ci --ignore-scripts && npm run postinstall
COPY scripts ./scripts
COPY clients/typescript/src ./clients/typescript/src
COPY console ./console
COPY src ./src
RUN node scripts/build.ts
# What was built has nearly all packages inside: of 500 MiB, 45 are left.
RUN node scripts/keep-packages.ts && npm prune --ignore-scripts

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
    PEERGATE_DATA_DIR=/data \
    PEERGATE_HTTP_HOST=0.0.0.0
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json ./
COPY bin ./bin
COPY prisma ./prisma
RUN ln -s /app/bin/peergate.js /usr/local/bin/peergate && mkdir /data && chown node:node /data
USER node
VOLUME /data
# HTTP, links of other peers, with libp2p QUIC and WebSocket, and with WebRTC the STUN server.
EXPOSE 7070/tcp 7071/tcp 7071/udp 7072/tcp 7073/udp
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7070/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/main.js"]
