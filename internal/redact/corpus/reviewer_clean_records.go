package corpus

// reviewerRecords are values that are random and no secret: hashes, identifiers, lock files, logs.
func reviewerRecords() []reviewerClean {
	return []reviewerClean{
		{"hash", []string{
			"commit «hex:40»", "«hex:64»  agentbridge_linux_amd64.tar.gz", "sha256:«hex:64»", "MD5 (a.iso) = «hex:32»", "image: ghcr.io/acme/api@sha256:«hex:64»", "uses: actions/checkout@«hex:40»", "Merge «hex:8» into «hex:8»", "git bisect bad «hex:40»", "FROM debian@sha256:«hex:64»", "etag: \"«hex:32»\"",
			"integrity sha512-«sri»", "<script src=\"a.js\" integrity=\"sha384-«b64:64»\" crossorigin=\"anonymous\"></script>", "golang.org/x/sync v0.10.0 h1:«h1»", "golang.org/x/sync v0.10.0/go.mod h1:«h1»", "checksum = \"«hex:64»\"", "sha1: «hex:40»", "file hash «hex:64» does not match the manifest's", "HEAD is now at «hex:7» redact: mask URL passwords",
			"blob «hex:40» 4096", "tree «hex:40»\nparent «hex:40»\nauthor A <a@example.com> 17«dig:8» +0000", "layer sha256:«hex:64»: Pulled", "SHA512: «hex:128»", "crc32=«hex:8» size=«n»", "The audit head is «hex:64» at entry «n».", "fingerprint: SHA256:«b64:43»", "ETag: W/\"«hex:16»\"",
		}},
		{"identifier", []string{
			"«uuid»", "request_id=«uuid» status=200", "conv_«hex:16»", "task «uuid» was claimed by «name»", "trace_id=«hex:32» span_id=«hex:16»", "traceparent: 00-«hex:32»-«hex:16»-01", "{\"id\":\"«uuid»\",\"parent\":\"«uuid»\"}", "https://app.example.com/orders/«uuid»", "run 0«un:25» finished", "correlation id «uuid», see the log",
			"<project id=\"{«uuid»}\" />", "i-0«hex:17» is running in eu-central-1a", "vpc-«hex:17» subnet-«hex:17»", "pod/api-«hex:10»-«ln:5» is in CrashLoopBackOff", "arn:aws:iam::«dig:12»:role/deploy", "container «hex:12» exited with code 137", "invocation «uuid» took «n» ms", "msg_«hex:16» reply_to msg_«hex:16»", "device «hex:2»:«hex:2»:«hex:2»:«hex:2»:«hex:2»:«hex:2»",
			"projects/acme/locations/europe-west3/keyRings/main/cryptoKeys/db", "ULID 01J«un:23»", "ISBN 978-3-16-148410-0, order «dig:10»",
		}},
		{"lock-file", []string{
			"\"node_modules/left-pad\": {\n  \"version\": \"«ver»\",\n  \"resolved\": \"https://npm.example.org/left-pad/-/left-pad-«ver».tgz\",\n  \"integrity\": \"sha512-«sri»\"\n}", "[[package]]\nname = \"serde\"\nversion = \"«ver»\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"«hex:64»\"",
			"requests==2.32.3 \\\n    --hash=sha256:«hex:64» \\\n    --hash=sha256:«hex:64»", "lodash@^4.17.21:\n  version \"4.17.21\"\n  resolved \"https://registry.yarnpkg.com/lodash/-/lodash-4.17.21.tgz#«hex:40»\"\n  integrity sha512-«sri»", "github.com/jackc/pgx/v5 v5.7.1 h1:«h1»\ngithub.com/jackc/pgx/v5 v5.7.1/go.mod h1:«h1»",
			"/js-tokens@4.0.0:\n  resolution: {integrity: sha512-«sri»}", "provider \"registry.terraform.io/hashicorp/aws\" {\n  version = \"5.80.0\"\n  hashes = [\n    \"h1:«h1»\",\n    \"zh:«hex:64»\",\n  ]\n}", "{ name = \"idna\", hash = \"sha256:«hex:64»\", size = «n» }", "GIT\n  remote: https://github.com/acme/gem.git\n  revision: «hex:40»",
			"\"nixpkgs\": {\"locked\": {\"narHash\": \"sha256-«h1»\", \"rev\": \"«hex:40»\"}}", "\"content-hash\": \"«hex:32»\",", "token-types@6.0.0:\n    resolution: {integrity: sha512-«sri»}", "\"keytar@npm:^7.9.0\":\n  version: 7.9.0\n  checksum: 10/«hex:128»",
		}},
		{"log", []string{
			"«date»T«time»Z INFO token refreshed user=«name» expires_in=3600", "«date» «time» WARN password rotation overdue by 3 days", "level=info msg=\"lease renewed\" task=«uuid» token=«n»", "«ip» - - [«date»] \"POST /oauth/token HTTP/1.1\" 200 «n»", "time=«date»T«time»Z level=INFO msg=\"key loaded\" path=/etc/app/tls.key",
			"Accepted publickey for deploy from «ip» port 51514 ssh2: ED25519 SHA256:«b64:43»", "Failed password for invalid user test from «ip» port 40022 ssh2", "[«time»] cache: 3 keys evicted, «n» keys left", "INFO: 14 secrets found in store, 0 expired", "audit: entry «n» head «hex:64»", "DEBUG tokens in=«n» out=«n» cached=0", "GET /api/keys?limit=20&cursor=«n» 200 12ms",
			"kernel: [«n».004211] random: crng init done", "Step 4/9 : COPY --from=build /out /app\n ---> «hex:12»", "Successfully tagged acme/api:«ver»", "postgres: LOG: checkpoint complete: wrote «n» buffers", "Authorization header present: true", "secret \"app-db\" mounted at /run/secrets/db", "auth: session started for «name» (mfa: yes, password: ok)", "rate limit: key=ip:«ip» remaining=«n»",
		}},
		{"base64-no-secret", []string{
			"data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "background: url(data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==)", "echo aGVsbG8gd29ybGQ= | base64 -d  # hello world", "Sec-WebSocket-Version: 13\nSec-WebSocket-Extensions: permessage-deflate",
			"the body decodes to {\"ok\":true}: eyJvayI6dHJ1ZX0=", "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE«b64:64»\n«b64:22»==\n-----END PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----\nMIIB«b64:60»\n«b64:64»\n«b64:62»==\n-----END CERTIFICATE-----", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI«b64:43» dev@example.com",
			"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ«b64:120» ci@example.com", "github.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI«b64:43»", "age1«ln:58» is the recipient", "Content-MD5: «b64:22»==", "Digest: SHA-256=«h1»", "[Peer]\nPublicKey = «b64:42»A=\nAllowedIPs = 10.9.0.0/24",
			"src=\"data:font/woff2;base64,d09GMgAB«b64:80»\"", "ZGVmYXVsdA== is base64 for \"default\"",
		}},
		{"url", []string{
			"https://docs.github.com/en/authentication/keeping-your-account-and-data-secure", "https://example.com/reset-password?lang=en", "https://pkg.go.dev/golang.org/x/crypto/bcrypt#GenerateFromPassword", "postgres://localhost:5432/app?sslmode=disable", "https://user@git.example.com/app.git", "git@github.com:acme/secrets-operator.git",
			"http://localhost:8080/oauth/callback?state=ok", "s3://acme-backup/«date»/dump.sql.gz", "https://github.com/acme/app/commit/«hex:40»", "https://github.com/acme/app/blob/«hex:40»/token.go#L«n»", "ssh://git@git.example.com:2222/app.git", "https://www.rfc-editor.org/rfc/rfc6750#section-2.1", "redis://cache:6379/0", "mailto:security@example.com?subject=token",
			"https://vault.example.com/ui/vault/secrets/kv/show/prod/db", "https://example.com/a?page=2&sort=key&order=asc", "jdbc:postgresql://db:5432/app", "https://api.example.com/v1/tokens/«uuid»", "mongodb://localhost:27017/test", "https://console.cloud.google.com/security/secret-manager?project=acme",
		}},
	}
}

// reviewerPlatform are manifests and settings that refer to secrets and hold none.
func reviewerPlatform() []reviewerClean {
	return []reviewerClean{
		{"kubernetes", []string{
			"env:\n- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef:\n      name: app-db\n      key: password", "volumes:\n- name: tls\n  secret:\n    secretName: app-tls", "imagePullSecrets:\n- name: registry", "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nspec:\n  secretStoreRef:\n    name: vault\n    kind: ClusterSecretStore",
			"kubectl create secret generic db --from-file=password=./password.txt", "automountServiceAccountToken: false", "rules:\n- apiGroups: [\"\"]\n  resources: [secrets]\n  verbs: [get, list]", "envFrom:\n- secretRef:\n    name: app-env", "apiVersion: v1\nkind: ConfigMap\ndata:\n  LOG_LEVEL: info\n  TOKEN_TTL: 3600s", "tls:\n- hosts: [app.example.com]\n  secretName: app-example-com-tls",
			"projected:\n  sources:\n  - serviceAccountToken:\n      path: token\n      expirationSeconds: 3600", "auth:\n  existingSecret: postgres-auth\n  secretKeys:\n    adminPasswordKey: postgres-password", "metadata:\n  uid: «uuid»\n  resourceVersion: \"«n»\"\n  labels:\n    pod-template-hash: «hex:10»",
		}},
		{"ci-config", []string{
			"- uses: docker/login-action@v3\n  with:\n    username: ci\n    password: ${{ secrets.REGISTRY_TOKEN }}", "permissions:\n  id-token: write\n  contents: read", "env:\n  NODE_AUTH_TOKEN: ${{ secrets.NPM_TOKEN }}", "variables:\n  DB_PASSWORD: $PROD_DB_PASSWORD", "withCredentials([string(credentialsId: 'sonar', variable: 'SONAR_TOKEN')]) {", "secrets: inherit",
			"secrets:\n  db_password:\n    file: ./db_password.txt", "POSTGRES_PASSWORD_FILE: /run/secrets/db_password", "deploy:\n  token:\n    from_secret: deploy_token", "RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci", "id_tokens:\n  VAULT_ID_TOKEN:\n    aud: https://vault.example.com", "cache:\n  key: ${CI_COMMIT_REF_SLUG}", "key: deps-{{ checksum \"package-lock.json\" }}",
		}},
		{"settings", []string{
			"password_file = /etc/app/password", "ssl_certificate_key /etc/nginx/tls/app.key;", "PasswordAuthentication no\nPubkeyAuthentication yes", "IdentityFile ~/.ssh/id_ed25519", "data \"aws_secretsmanager_secret_version\" \"db\" {\n  secret_id = \"prod/db\"\n}", "password = var.db_password", "password = random_password.db.result", "token = data.vault_generic_secret.ci.data[\"token\"]",
			"spring.datasource.password=${DB_PASSWORD}", "ansible_password: \"{{ vault_ansible_password }}\"", "password: !vault-ref prod/db", "password_encryption = scram-sha-256", "[credential]\n\thelper = osxkeychain", "credsStore: desktop", "\"credHelpers\": {\"public.ecr.aws\": \"ecr-login\"}", "manage_master_user_password = true", "sensitive = true", "token_format: opaque\ntoken_ttl: 24h",
			"password_policy:\n  min_length: 12\n  require_digits: true", "tokenizer: standard\nmax_token_length: 255", "keyboard_layout=de\nkey_repeat=25", "kms_key_id = \"alias/app\"", "api_key_required: true", "secret_manager: gcp\nsecret_prefix: prod", "auth_token_env = \"API_TOKEN\"", "partition_key = \"tenant_id\"\nsort_key = \"created_at\"",
			"pub const MAX_KEY: usize = 64;", "hotkey: ctrl+shift+p", "\"passwordHash\" is never part of the answer", "token: true\npassword: false\nsecret: null",
		}},
		{"markup", []string{
			"<label for=\"password\">Password</label>", "<meta name=\"csrf-param\" content=\"authenticity_token\">", ".token.keyword { color: #c678dd; }", "--color-key: #1a2b3c;", "<PasswordInput v-model=\"password\" :min=\"12\" />", "**Password**: at least 12 characters", "- [ ] rotate the signing key\n- [x] document tokens", "<button aria-label=\"Show password\">👁</button>",
			"```mermaid\nsequenceDiagram\n  client->>hub: token\n  hub-->>client: 200\n```", "<code>Authorization: Bearer &lt;token&gt;</code>", "![the key icon](icons/key.svg)", "<Trans>Your password has been changed.</Trans>", "msgid \"Forgot password?\"\nmsgstr \"Passwort vergessen?\"", "| ← | → |\n|---|---|\n| token | Marke |",
		}},
		{"numbers", []string{
			"pi is 3.14159265358979323846", "latency p50=«n»us p99=«n»us", "phone +49 30 «dig:8», extension 12", "π ≈ 3.14, e ≈ 2.72, φ ≈ 1.62", "0x7ffd«hex:8» in ?? ()", "rip: 0033:0x«hex:12» rsp: 002b:00007ffc«hex:8»", "2001:db8:«hex:4»:«hex:4»::1", "51.«dig:6», 13.«dig:6»", "M12 «n»L3 «n»Z is the path's d attribute", "version 1.«n».0+build.«dig:8»", "IBAN is checked with mod 97", "🦀🐹🐍 three languages, 1 build", "17«dig:8» is a Unix time",
		}},
	}
}
