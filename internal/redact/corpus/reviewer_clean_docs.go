package corpus

// reviewerPlaceholders say where a secret goes, or where it is kept.
func reviewerPlaceholders() []reviewerClean {
	values := []string{
		"<your-token>", "${DB_PASSWORD}", "xxxx", "xxxxxxxxxxxxxxxx", "********", "YOUR_API_KEY", "<REDACTED>", "[redacted]", "{{ password }}", "{{ .Values.auth.password }}", "$DB_PASSWORD", "%DB_PASSWORD%",
		"${{ secrets.DB_PASSWORD }}", "op://prod/db/password", "vault:secret/data/db#password", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db", "<password>", "your-password-here", "your_api_key_here", "$(cat /run/secrets/db)",
		"ssm:/prod/db/password", "${env:DB_PASSWORD}", "<insert token here>", "...", "XXXXXXXXXXXXXXXXXXXXXXXX", "ENC[AES256_GCM,data:...]", "***", "<API_KEY>", "${SECRET:?missing}", "null",
	}
	places := []string{
		"password: %", "DB_PASSWORD=%", "export API_KEY=%", `{"password": "%"}`, "token = \"%\"", "Replace the value of api_key (%) by your own.", "api_key: '%'", "secret=%", "AUTH_TOKEN=\"%\"", "password=%",
	}
	var texts []string
	for i, v := range values {
		for j := range 3 {
			p := places[(i+j*3)%len(places)]
			for k := range p {
				if p[k] == '%' {
					texts = append(texts, p[:k]+v+p[k+1:])
					break
				}
			}
		}
	}
	return []reviewerClean{
		{"placeholder", texts},
		{"placeholder-in-place", []string{
			"postgres://user:${DB_PASSWORD}@localhost:5432/app", "https://<user>:<password>@git.example.com/app.git", "curl -H 'Authorization: Bearer <your-token>' https://api.example.com", "Authorization: Bearer $ACCESS_TOKEN", "mysql -u root -p\"$MYSQL_PWD\" shop",
			"redis://:${REDIS_PASSWORD}@cache:6379/0", "curl -u \"$USER:$PASS\" https://ci.example.com", "sshpass -p \"$SSH_PASS\" ssh deploy@web1", "mongodb://{user}:{password}@{host}/admin", "docker login -u ci -p $CI_TOKEN registry.example.com",
			"AccountName=acme;AccountKey=<account-key>;EndpointSuffix=core.windows.net", "https://hooks.example.com/services/T.../B.../...", "npm config set //npm.example.org/:_authToken=${NPM_TOKEN}", "amqp://{{ user }}:{{ password }}@mq/", "Password: ********",
		}},
	}
}

// reviewerDocs are texts about authentication, and talk in several languages.
func reviewerDocs() []reviewerClean {
	return []reviewerClean{
		{"auth-docs", []string{
			"The access token expires after one hour; use the refresh token to get another.", "Passwords are hashed with Argon2id and never stored in the clear.", "Send the API key in the `X-API-Key` header.", "To create a personal access token, open Settings → Developer settings.",
			"A secret must be at least 32 bytes long.", "The password is stored in the keychain.", "Bearer tokens are described in RFC 6750.", "Use `--token-file` rather than `--token`: arguments are visible to other processes.", "The password is required.",
			"Password policy: 12 characters, one digit, no dictionary words.", "OAuth 2.0 knows four grants: authorization code, client credentials, device code and refresh token.", "The token is invalid or has expired.", "If you forgot your password, click \"Reset password\".",
			"Secret scanning looks for known prefixes in every push.", "Do not commit .env files; keep secrets in Vault.", "Keys are rotated every 90 days by the platform team.", "The JWT has three parts: header, payload and signature, separated by dots.",
			"# Authentication\n\nEvery request needs a token. Tokens are scoped to one conversation.", "Sign the request body with HMAC-SHA256 and put the hex digest in X-Signature.", "The secret is not logged, the password is not shown, the key is not exported.", "## API keys\n\n- read-only keys\n- write keys\n- admin keys",
			"Basic authentication sends the user name and password in every request.", "The public key goes into authorized_keys; the private key never leaves your machine.", "Set the password with `ALTER ROLE`, not in the migration.",
		}},
		{"chat", []string{
			"I'll take the token refresh task, you do the password reset page.", "Done: the secret store is wired up, tests pass.", "Blocked: I have no access to the key vault, can a person approve?", "Could you check why the key lookup is slow?", "👍 merged, thanks! 🎉", "password reset mails work again 🔑✅",
			"The monkey test found nothing; the turkey icon is fixed, too.", "Who holds the lease of task 7? Its fencing token is 12.", "Key takeaway: we should not retry on 409.", "The secret of good tests is naming them for the promise.", "A token gesture, but a nice one.", "Proposal: split auth.go into token.go and password.go.",
			"I asked for the password but did not get it; please put it in the vault, not here.", "The passport number field is called doc_number now.", "Waiting for CI; the login job has been pending for 12 minutes.", "rebased onto main (`«hex:8»`), please review", "Can you send me the password through 1Password?", "We pass the key by reference.",
		}},
		{"german", []string{
			"Das Passwort wird beim ersten Start abgefragt.", "Bitte keine Passwörter im Chat teilen.", "Das Kennwort muss mindestens zwölf Zeichen lang sein.", "Der Schlüssel liegt im Tresor, nicht im Repository.", "Ich übernehme die Aufgabe und melde mich heute Abend.", "Das Passwort ist abgelaufen.",
			"Die Anmeldung schlägt fehl, weil das Token ungültig ist.", "Das Geheimnis guter Tests sind gute Namen.", "Passwort vergessen? Hier klicken.",
		}},
		{"spanish", []string{
			"La contraseña se guarda cifrada en la base de datos.", "Olvidé mi contraseña, ¿quién puede restablecerla?", "El token caduca después de una hora.", "No compartas claves en el chat.", "La contraseña es obligatoria.", "La clave primaria de la tabla es compuesta.", "Terminé la tarea, todas las pruebas pasan.",
		}},
		{"french", []string{
			"Le mot de passe est stocké dans le coffre.", "Le jeton a expiré, il faut se reconnecter.", "Le mot de passe est obligatoire.", "Mot de passe oublié ?", "La clé primaire est composée de deux colonnes.", "Merci de ne pas partager de secrets ici.", "J'ai terminé la tâche, les tests passent.",
		}},
		{"other-languages", []string{
			"パスワードは Vault に保存されています。", "トークンの有効期限が切れました。", "密码长度至少为 12 位。", "令牌已过期,请重新登录。", "Пароль хранится в зашифрованном виде.", "Токен истёк, войдите снова.", "비밀번호는 12자 이상이어야 합니다.", "Hasło musi mieć co najmniej 12 znaków.", "La password è obbligatoria.",
			"A senha deve ter pelo menos 12 caracteres.", "Şifre en az 12 karakter olmalıdır.", "Lösenordet måste bytas var nittionde dag.", "Wachtwoord vergeten?", "Ο κωδικός πρόσβασης είναι υποχρεωτικός.", "كلمة المرور مطلوبة.", "הסיסמה נשמרת מוצפנת.",
		}},
		{"error-message", []string{
			"FATAL: password authentication failed for user \"app\"", "Error: Access denied for user 'root'@'localhost' (using password: YES)", "401 Unauthorized: Bad credentials", "error: invalid_grant: Token has been expired or revoked.", "Permission denied (publickey,password).", "remote: Support for password authentication was removed on August 13, 2021.",
			"x509: certificate signed by unknown authority", "ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey]", "KeyError: 'api_key'", "SyntaxError: Unexpected token '<', \"<!DOCTYPE \"... is not valid JSON", "SyntaxError: Unexpected token } in JSON at position «n»", "jwt.exceptions.ExpiredSignatureError: Signature has expired",
			"ERROR: duplicate key value violates unique constraint \"users_email_key\"", "botocore.exceptions.NoCredentialsError: Unable to locate credentials", "WRONGPASS invalid username-password pair or user is disabled.", "gpg: decryption failed: No secret key", "error: secret \"app-db\" not found", "Enter passphrase for key '/home/dev/.ssh/id_ed25519':", "NOAUTH Authentication required.",
			"token_revoked: ask for a new one with agentbridge token renew", "[sudo] password for deploy:", "npm ERR! code E401\nnpm ERR! Incorrect or missing password.",
		}},
		{"table", []string{
			"| flag | default | meaning |\n|---|---|---|\n| --token-file | none | file with the token |\n| --password-stdin | false | read the password from stdin |", "| secret | store | rotated |\n|---|---|---|\n| db | vault | weekly |", "NAME      TYPE     DATA   AGE\napp-db    Opaque   2      41d\napp-tls   kubernetes.io/tls   2   41d",
			"key     | count\n--------+------\nalpha   | «n»\nbeta    | «n»", "| kind | recall | false alarms |\n|---|---:|---:|\n| jwt | 100 % | 0 |\n| password | 93 % | 2 |", "field,type,required\npassword,string,yes\ntoken,string,no", "  token    string   opaque, 24 hours\n  rank     string   peer or worker",
		}},
	}
}
