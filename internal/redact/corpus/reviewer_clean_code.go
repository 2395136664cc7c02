package corpus

// reviewerCode are clean texts in programming languages: they name tokens, keys and secrets, and hold none.
func reviewerCode() []reviewerClean {
	return []reviewerClean{
		{"go-code", []string{
			"func (s *Store) Token(ctx context.Context, id string) (*Token, error) {\n\treturn s.tokens[id], nil\n}",
			"password := os.Getenv(\"DB_PASSWORD\")\nif password == \"\" {\n\treturn errors.New(\"DB_PASSWORD is not set\")\n}",
			"secretKey, err := rand.Read(key[:])", "type Credentials struct {\n\tUsername string\n\tPassword string `json:\"password\"`\n}",
			"token := strings.TrimPrefix(r.Header.Get(\"Authorization\"), \"Bearer \")", "hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)",
			"flag.StringVar(&apiKey, \"api-key\", \"\", \"API key of the service\")", "cfg.Auth.ClientSecret = secrets.Get(ctx, \"oauth/client\")",
			"if subtle.ConstantTimeCompare(got, want) != 1 {\n\treturn ErrBadToken\n}", "var ErrTokenExpired = errors.New(\"token expired\")",
			"req.Header.Set(\"Authorization\", \"Bearer \"+token)", "const keyPrefix = \"session:\"", "tok := p.next(); tok.Kind == token.IDENT",
			"dsn := fmt.Sprintf(\"postgres://%s:%s@%s:%d/%s\", user, password, host, port, name)", "for key, value := range secretsByName {", "passwordField.SetEchoMode(textinput.EchoPassword)",
		}},
		{"python-code", []string{
			"password = getpass.getpass(\"Password: \")", "api_key = os.environ[\"OPENAI_API_KEY\"]", "token = request.headers.get(\"Authorization\", \"\").removeprefix(\"Bearer \")",
			"def verify_password(plain: str, hashed: str) -> bool:\n    return pwd_context.verify(plain, hashed)", "tokens = tokenizer.encode(text, add_special_tokens=False)",
			"secret = secrets.token_urlsafe(32)", "client = boto3.client(\"secretsmanager\", region_name=region)", "SECRET_KEY = env(\"DJANGO_SECRET_KEY\")",
			"class ApiKeyAuth(BaseModel):\n    api_key: SecretStr\n    password: str | None = None", "max_tokens=4096, temperature=0.2, stop=[\"\\n\\n\"]", "key = lambda row: row[\"created_at\"]",
			"self.password = password", "sorted(items, key=operator.itemgetter(\"name\"))", "url = f\"postgresql://{user}:{password}@{host}/{db}\"",
			"if not password or len(password) < 12:\n    raise ValueError(\"password too short\")", "hashlib.sha256(token.encode()).hexdigest()",
		}},
		{"typescript-code", []string{
			"const apiKey = process.env.STRIPE_SECRET_KEY;", "export interface AuthState {\n  accessToken: string | null;\n  refreshToken?: string;\n}", "<input type=\"password\" name=\"password\" autoComplete=\"current-password\" />",
			"const { password, ...safe } = user;", "localStorage.removeItem('access_token');", "headers: { Authorization: `Bearer ${token}` },", "type SecretKey = Brand<string, 'SecretKey'>;",
			"const tokenExpiresAt = Date.now() + expiresIn * 1000;", "await expect(page.getByLabel('Password')).toBeVisible();", "items.map((item) => <Row key={item.id} {...item} />)",
			"password: z.string().min(12, 'at least 12 characters'),", "const secret = await getSecret('prod/db/password');", "throw new AuthError('invalid token', { cause });",
			"jwt.verify(token, publicKey, { algorithms: ['RS256'] });", "const isPasswordValid = await argon2.verify(user.passwordHash, password);",
		}},
		{"java-code", []string{
			"private final PasswordEncoder passwordEncoder;", "@Value(\"${app.jwt.secret}\")\nprivate String jwtSecret;", "String token = jwtService.generateToken(userDetails);", "public record LoginRequest(String username, String password) {}",
			"char[] password = console.readPassword(\"Password: \");", "KeyPairGenerator.getInstance(\"RSA\").initialize(2048);", "throw new BadCredentialsException(\"Bad credentials\");",
			"map.computeIfAbsent(key, k -> new ArrayList<>()).add(value);", "http.csrf(csrf -> csrf.csrfTokenRepository(CookieCsrfTokenRepository.withHttpOnlyFalse()));", "private static final String TOKEN_HEADER = \"Authorization\";",
			"if (token == null || token.isBlank()) return Optional.empty();", "SecretKeySpec keySpec = new SecretKeySpec(keyBytes, \"AES\");",
		}},
		{"rust-code", []string{
			"let api_key = std::env::var(\"API_KEY\")?;", "pub struct Token {\n    pub kind: TokenKind,\n    pub span: Span,\n}", "fn next_token(&mut self) -> Option<Token> {", "let password = rpassword::prompt_password(\"Password: \")?;",
			"#[derive(Zeroize)]\npub struct SecretKey([u8; 32]);", "let key = map.entry(name).or_default();", "#[serde(skip_serializing)]\npassword: String,", "impl fmt::Debug for Secret {\n    fn fmt(&self, f: &mut Formatter) -> Result { f.write_str(\"[redacted]\") }\n}",
			"let secret: SecretString = config.client_secret.clone();", "assert_eq!(tokens.len(), 3);", "use proc_macro2::TokenStream;", "let token = CancellationToken::new();",
		}},
		{"c-code", []string{
			"static const char *token = NULL;", "size_t key_len = sizeof(key);", "for (char *token = strtok(line, \",\"); token; token = strtok(NULL, \",\"))", "int verify_password(const char *password, const char *hash);",
			"memset(password, 0, sizeof(password));", "#define KEY_LENGTH 32\n#define TOKEN_MAX 256", "EVP_PKEY *pkey = PEM_read_PrivateKey(fp, NULL, NULL, NULL);", "struct secret_entry { uint32_t id; uint8_t *value; size_t len; };",
			"if (key == KEY_ENTER || key == KEY_ESC) break;", "static const uint8_t crc_table[4] = { 0x00, 0x1d, 0x3a, 0x27 };", "uint64_t k = 0x9e3779b97f4a7c15ULL;",
		}},
		{"shell-code", []string{
			"read -rsp 'Password: ' password", "DB_PASSWORD=\"$(cat /run/secrets/db_password)\"", "curl -H \"Authorization: Bearer $TOKEN\" \"$URL\"", "export VAULT_TOKEN=$(vault print token)",
			"if [ -z \"$API_KEY\" ]; then echo 'API_KEY is missing' >&2; exit 1; fi", "PGPASSWORD=\"$PW\" psql -h db -U app -c 'select 1'", "aws secretsmanager get-secret-value --secret-id prod/db --query SecretString",
			"docker login -u ci --password-stdin < token.txt", "ssh-keygen -t ed25519 -f ~/.ssh/id_ed25519 -C me@example.com", "openssl rand -hex 32 > secret.key", "gh auth token | docker login ghcr.io -u me --password-stdin",
			"kubectl get secret db -o jsonpath='{.data.password}' | base64 -d", "unset AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN", "mysql -u root -p shop < dump.sql", "TOKEN=${1:?usage: release.sh TOKEN}",
		}},
		{"ruby-code", []string{
			"password = ENV.fetch('DB_PASSWORD')", "has_secure_password", "validates :password, length: { minimum: 12 }, on: :create", "token = request.headers['Authorization']&.split&.last", "Rails.application.credentials.dig(:aws, :secret_access_key)",
			"filter_parameters += [:password, :token, :secret, :api_key]", "user.authenticate(params[:password])", "hash.transform_keys(&:to_sym)", "t.string :encrypted_password, null: false, default: ''", "reset_password_token_expires_in 2.hours",
		}},
		{"sql-code", []string{
			"SELECT id, token_hash, expires_at FROM api_tokens WHERE revoked_at IS NULL;", "ALTER TABLE users ADD COLUMN password_hash TEXT NOT NULL;", "CREATE TABLE secrets (\n  id UUID PRIMARY KEY,\n  name TEXT NOT NULL,\n  ciphertext BYTEA NOT NULL\n);",
			"ALTER TABLE orders ADD CONSTRAINT fk_user FOREIGN KEY (user_id) REFERENCES users (id);", "UPDATE users SET password_reset_at = now() WHERE id = $1;", "CREATE UNIQUE INDEX api_keys_name_key ON api_keys (name);", "INSERT INTO tokens (id, owner) VALUES (?, ?) ON CONFLICT DO NOTHING;",
			"SELECT count(*) FROM sessions WHERE token = $1 AND expires_at > now();", "CREATE USER app WITH PASSWORD :'app_password';", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reporting;", "SELECT key, value FROM settings ORDER BY key LIMIT 50;",
		}},
	}
}

// reviewerMoreCode are diffs, tests and prose about code.
func reviewerMoreCode() []reviewerClean {
	return []reviewerClean{
		{"diff", []string{
			"diff --git a/auth.go b/auth.go\nindex «hex:7»..«hex:7» 100644\n--- a/auth.go\n+++ b/auth.go\n@@ -10,3 +10,4 @@ func Login() {\n+\tif token == \"\" {\n+\t\treturn ErrNoToken\n+\t}",
			"-    password: str\n+    password: SecretStr", "-const token = getToken();\n+const token = await getToken();", "+  secretName: app-db\n-  secretName: app-database", "@@ -1,2 +1,2 @@\n-PASSWORD_MIN_LENGTH = 8\n+PASSWORD_MIN_LENGTH = 12",
			"--- a/go.sum\n+++ b/go.sum\n@@ -1 +1 @@\n-golang.org/x/crypto v0.30.0 h1:«h1»\n+golang.org/x/crypto v0.31.0 h1:«h1»", "-      token: ${{ secrets.OLD_TOKEN }}\n+      token: ${{ secrets.RELEASE_TOKEN }}", "rename from internal/token/token.go\nrename to internal/auth/token.go\nsimilarity index 98%",
			"+// Token is an opaque credential; it never appears in a log.\n+type Token string", "index «hex:40»..«hex:40» 100644", "-apiKey: process.env.API_KEY\n+apiKey: config.apiKey",
		}},
		{"names", []string{
			"rename `accessTokenProvider` to `tokenSource`, and `SecretKeyRef` stays", "passwordResetTokenExpirationInMinutes", "The fields are api_key_id, api_key_name, api_key_created_at.", "token_count=«n» prompt_tokens=«n» completion_tokens=«n»",
			"TestCompleteTask_LateHolderLosesLease passes, TestToken_Expired fails", "public_key_fingerprint and private_key_path are columns", "useSecretStore(), useApiKeyQuery(), useTokenRefresh()", "see keyboardInterruptHandler, monkeyPatch and primaryKeyColumn",
			"com.example.security.token.JwtTokenAuthenticationFilter", "GetSecretValueRequest → GetSecretValueResponse", "SECRET_STORE_REFRESH_INTERVAL_SECONDS=300", "TOKEN_TTL=3600\nPASSWORD_MIN_LENGTH=12\nAPI_KEY_HEADER=X-API-Key",
			"the type is `Map<SecretId, Arc<SecretValue>>`", "tokenizer.pad_token = tokenizer.eos_token", "--password-file, --token-file and --key-file are the three flags", "csrfToken is checked in verifyCsrfTokenMiddleware",
		}},
		{"test-output", []string{
			"--- FAIL: TestTokenRefresh (0.02s)\n    token_test.go:«n»: Refresh() = nil, want ErrExpired\nFAIL", "PASS src/auth/password.test.ts (4.2 s)\n  ✓ rejects a short password (12 ms)", "E   AssertionError: assert 'token' in {}", "ok  \tagentbridge/internal/redact\t0.412s\tcoverage: 93.1% of statements",
			"test auth::tests::secret_is_zeroed ... ok", "BenchmarkTokenize-2   «n»   «n» ns/op   48 B/op   1 allocs/op", "Tests:       2 failed, 118 passed, 120 total", "  1) PasswordReset sends the token by mail\n     Failure/Error: expect(mail).to be_present",
			"auth.ts(«n»,7): error TS2345: Argument of type 'string | undefined' is not assignable to parameter of type 'ApiKey'.", "warning: unused variable: `token`\n  --> src/lexer.rs:«n»:9", "./token.go:«n»:2: declared and not used: secretKey",
		}},
		{"json-no-secret", []string{
			`{"id":"«uuid»","type":"token.created","created":17«dig:8»}`, `{"error":"invalid_token","error_description":"The access token expired"}`, `{"token_type":"Bearer","expires_in":3600,"scope":"read"}`, `{"password":null,"token":"","secret":false}`,
			`{"max_tokens":1024,"model":"small","usage":{"input_tokens":«n»,"output_tokens":«n»}}`, `{"type":"object","properties":{"password":{"type":"string","minLength":12}},"required":["password"]}`, `{"keys":["id","name"],"primary_key":"id"}`,
			`{"id":«n»,"text":"ok","redacted":0}`, `{"name":"api-key","in":"header","type":"apiKey"}`, `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"send","arguments":{"message":"done"}}}`,
		}},
	}
}
