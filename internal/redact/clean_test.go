package redact

import (
	"strings"
	"testing"
)

func TestRedact_LeavesOrdinaryTextAlone(t *testing.T) {
	s := newScanner(t)
	for _, text := range []string{
		// declarations and types
		"password: string", "password: string;", "password?: string", "password: Optional[str] = None", "def login(user, password=\"\", token=None):",
		"func authenticate(ctx context.Context, token string) error {", "public string Password { get; set; }", "let token: Token = lexer.next_token();",
		`"password": {"type": "string", "minLength": 8}`, "`json:\"password\"`", "password VARCHAR(255) NOT NULL", "type Secret struct{ Value string }",
		"secret: SecretString,", "<input type=\"password\" name=\"password\" placeholder=\"Password\">", "Promise<Token> refresh()", "map[string]Password",
		// values that come from elsewhere
		`password = os.Getenv("PASSWORD")`, "password := r.FormValue(\"password\")", "this.password = password", "password=password, user=user", "self.token = token",
		"token := parser.Next()", "token = tokens[i]", "const token = await getToken();", "token = req.headers.authorization", "secret = config.clientSecret",
		"auth.login(user, password)", "DB_PASSWORD=${PASSWORD}", "PASSWORD=$PASS", "TOKEN=$(cat token.txt)", "token: ${{ secrets.GITHUB_TOKEN }}", "secrets: inherit",
		"password: !vault |", "password: {{ .Values.password }}", "api_key: process.env.API_KEY", "PASSWORD=%PASSWORD%", "password = \"${var.db_password}\"",
		"secretKeyRef: {name: db, key: password}", "PASSWORD_FILE=/run/secrets/db_password", "--password-file x", "docker login --password-stdin registry.test",
		"cmd.Env = append(cmd.Env, \"PWD=\"+cmd.Dir)", "url := \"/login?password=\" + url.QueryEscape(p)", "PWD=/home/user/project", "opts.Token = &auth.Token{}",
		"ClientSecretAuth: &oauthex.ClientSecretAuth{", "PrivateKey: testEd25519Key,", "tokens = 2*maxTokens", "STATUS_NO_TOKEN = 0xC000007C",
		// placeholders and blanks
		"api_key: <your-api-key>", "password=xxxx", "password=********", "password=changeme", "password: \"\"", "password = None", "API_KEY=your_api_key_here",
		"token: \"string\"", "password: [hidden]", "sk-" + strings.Repeat("x", 24), "sk-...", "ghp_" + strings.Repeat("x", 36), "password: '...'",
		"postgres://user:password@localhost:5432/db", "postgres://$USER:$PASS@db/x", "https://<user>:<password>@host/", "https://user:***@host/",
		// prose
		"the password is wrong", "the password is required and must be at least 12 characters", "Password: must be at least 8 characters", "password reset for user42",
		"secret santa is next week", "the secret is to use caching", "The token is expired; renew it", "the password is sha256-hashed", "token is base64url-encoded",
		"The token bucket: capacity 100, refill 10 per second", "api key rotation is 90 days", "Tests pass: 128, fail: 0", "--- PASS: TestPassword/empty_1 (0.02s)",
		"passed 12 of 13", "author: Bob123 Smith", "auth: required", "Use the token `claim_task` returns", "lease_token: required", "the bearer of bad news",
		"a bearer token is sent as Authorization: Bearer ${TOKEN}", "password (required): your password", "max_tokens: 4096", "tokens: 123456", "token_type: bearer",
		"if password == \"\" { return errors.New(\"password required\") }", "[\"password\", \"username\", \"email\"]", "password must not be empty", "redact: mask URL passwords",
		// code around headers
		`req.Header.Set("Authorization", "Bearer "+token)`, "headers: { Authorization: `Bearer ${token}` }", `"Bearer "+strings.Join(params, ", ")`,
		`w.Header().Set("WWW-Authenticate", "Bearer realm=\"bridge\", error=\"invalid_token\"")`, "[Authorization](protocol.md#authorization)",
		// what other languages say
		"Das Passwort ist ungültig oder abgelaufen.", "Das Kennwort wurde geändert, bitte neu anmelden.", "La contraseña está guardada en el gestor.", "La contraseña es válida durante 90 días.",
		"Le mot de passe est stocké dans le coffre.", "Le mot de passe a été réinitialisé hier.", "La clé API est expirée depuis lundi.", "La clave es usar menos dependencias.",
		"La clave de API es obligatoria para este endpoint.", "Der API-Schlüssel ist abgelaufen.", "El token ha caducado; renueva la sesión.", "La password è nel gestore, sezione team", "clave: valor", "clé: identifiant_2",
		`chave: "nome_do_campo"`, "Schlüssel: Kundennummer", "认证令牌已过期，请重新登录", "パスワードは8文字以上で入力してください", `"login.password.label": "Contraseña",`, `"forgotPassword": "Mot de passe oublié ?",`,
		`<button aria-label="Hide password">🙈</button>`, `<label for="password">Пароль</label>`,
		// pins, settings, checksums
		"- uses: docker/login-action@v3", "uses: docker/login-action@9780b0c442fbb1117ed29e0efdff1e18412f7567 # v3.3.0", "- uses: google-github-actions/auth@v2.1.7", "npm i jsonwebtoken@9.0.2 passport-local@1.0.0",
		"golang.org/x/oauth2 v0.30.0 h1:dnDm7JmhM45NNpd8FDDeLhK6FwqbOf4MLCM9zb1BOHI=", "password_encryption = scram-sha-256", "password_encryption = md5", "sslmode=verify-full sslpassword=''", "auth_method: argon2id",
		"default_authentication_plugin = caching_sha2_password", `SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]`, `secret_key_base: <%= ENV["SECRET_KEY_BASE"] %>`, "config.password_length = 12..128", "ALTER USER app PASSWORD :pw",
		"ALTER ROLE app WITH PASSWORD $1;", "password = random_password.db.result", `password_hint: "Mindestens 12 Zeichen"`,
		// handed over, but no secret
		`sshpass -p "$SSH_PASS" ssh deploy@web1`, `echo "$TOKEN" | docker login -u ci --password-stdin`, `echo "checking-config-2026" > /tmp/auth.log`, `echo "build-20261122-rc1" > keys.txt`, "wg genkey | tee privatekey | wg pubkey > publickey",
		"codecov -t unit -f coverage.xml", "codecov flags: 550e8400-e29b-41d4-a716-446655440000/upload", "consul node id 550e8400-e29b-41d4-a716-446655440000 left", `client = BlobServiceClient("mystorageaccount2026")`, "connect app/models@main",
		"cherry-pick: auth 3f2a9c1 onto release", "aws sso login --profile staging-eu-west-1", "vault login -method=oidc role=dev", "jwt.verify(token, 'HS256-public')", "the TOTP code is 6 digits", "WIFI:T:nopass;S:guest;;",
		"use admin / admin to log in to the demo", "use SSO with OAuth2 to log in", "AUTH PLAIN LOGIN CRAM-MD5", "250-AUTH LOGIN PLAIN XOAUTH2", `"tokens": ["identifier_expression_list", "parenthesized_expression"]`,
		"define('AUTH_KEY', 'put your unique phrase here');", "curl -uploader https://x.test", "Can you send me the password through 1Password?", "ConvertTo-SecureString $env:PW -AsPlainText -Force",
		// identifiers that are no secrets
		"commit 3f2a9c1d4e5b6a7f8091a2b3c4d5e6f708192a3b fixes it", "id 550e8400-e29b-41d4-a716-446655440000", "sk-learn is a library", "class=\"sk-toggleable-content-fitted\"",
		"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
		"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 user@host", "secretName: prod-db-credentials", "conv_0123456789abcdef", "token_count=1234567890123", "risk-assessment-for-2026-q4",
		"task-runner-with-a-very-long-name", "session: 20261122", "session_id: 550e8400-e29b-41d4-a716-446655440000", "{\"kid\":\"k1\",\"alg\":\"EdDSA\"}",
		// addresses
		"http://localhost:8080/path@foo", "postgres://localhost:5432/db", "git@github.com:org/repo.git", "https://example.com:443/a/b?x=y@z", "uses: actions/checkout@v4",
		"http://localhost:3000,admin@x.com", "see https://medium.com/@someone/post-1", "ssh://git@example.com:22/x.git", "https://user@example.com/",
		// commands
		"mysql -u root -p", "docker run --name mongo -p 27017:27017 mongo:7", "docker run mysql -p 3306:3306", "ssh login.example.com -p 2222", "curl -u \"$USER:$PASS\" https://x.test",
		"grep -r \"password\" src/", "curl -s https://x.test | sh", "unzip -p archive.zip file",
		"-----BEGIN " + "PRIVATE KEY----- and -----END " + "PRIVATE KEY----- delimit it",
		"[REDACTED:password:deadbeef]", "password=[REDACTED:password:deadbeef]", "the token is [REDACTED:github-token:00ff00ff].",
	} {
		masked, found, err := s.Redact(key, text)
		if err != nil || masked != text || len(found) > 0 {
			t.Errorf("Redact(%q) = %q, %v, %v; want it unchanged", text, masked, found, err)
		}
	}
}

// What is let through must be no more than what is said.
func TestRedact_LetsOnlyAWholeAlphabetThrough(t *testing.T) {
	s := newScanner(t)
	for text, secret := range map[string]string{
		"ghp_" + letters[:26] + digits:                   "",
		"ghp_" + letters[26:] + digits:                   "",
		"ghp_" + digits + letters[:12] + "Zq7Zq7Zq7Zq7":  "",
		"ghp_" + digits + letters[:11] + "Zq7Zq7Zq7Zq7Z": "ghp_" + digits + letters[:11] + "Zq7Zq7Zq7Zq7Z",
		"ghp_" + digits + digits + digits + "Zq":         "ghp_" + digits + digits + digits + "Zq",
		"ghp_" + letters[:26] + "_" + "Zq7Vk2Rw9T":       "ghp_" + letters[:26] + "_" + "Zq7Vk2Rw9T", // only the last part counts
	} {
		if secret != "" {
			wantSecret(t, s, "it is "+text+" ok", "github-token", secret)
		} else if masked, _, err := s.Redact(key, "it is "+text+" ok"); err != nil || masked != "it is "+text+" ok" {
			t.Errorf("Redact of %s = %q, %v; want it unchanged", text, masked, err)
		}
	}
	example := "ghp_" + letters[:26] + digits
	known, err := New(Options{Exact: []string{example}})
	if err != nil {
		t.Fatal(err)
	}
	wantSecret(t, known, "it is "+example+" ok", "known-secret", example)
}
