package corpus

// reviewerConfig are passwords in files that configure something.
func reviewerConfig() []reviewerKind {
	return []reviewerKind{
		{"dotenv-password", "«pw»", []string{
			"DB_HOST=«host»\nDB_USER=app\nDB_PASSWORD=«s»", "SMTP_PASS='«s»'", "export ADMIN_PASSWORD=\"«s»\"", "MYSQL_ROOT_PASSWORD=«s»\nMYSQL_DATABASE=app", "APP_SECRET=«s»",
		}},
		{"yaml-password", "«pw»", []string{
			"database:\n  user: app\n  password: «s»\n  pool: 5", "services:\n  db:\n    environment:\n      POSTGRES_PASSWORD: «s»", "smtp: {user: mailer, password: \"«s»\"}", "    - MINIO_ROOT_PASSWORD=«s»",
		}},
		{"json-password", "«pw»", []string{
			`{"username":"app","password":"«s»"}`, "{\n  \"db\": {\n    \"passwd\": \"«s»\"\n  }\n}", `{\"login\":\"app\",\"password\":\"«s»\"}`, `"adminPassword": "«s»",`,
		}},
		{"toml-password", "«pw»", []string{
			"[database]\nuser = \"app\"\npassword = \"«s»\"", "[http-basic.corp]\nusername = \"ci\"\npassword = \"«s»\"", "auth = { user = \"ci\", password = '«s»' }", "db_password = \"\"\"«s»\"\"\"",
		}},
		{"ini-password", "«pw»", []string{
			"[client]\nuser=backup\npassword=«s»", "[smtp]\nhost = smtp.example.com\npasswd = «s»", "; legacy\npass=«s»", "[remote]\ntype = sftp\nuser = backup\npass = «s»",
		}},
		{"properties-password", "«pw»", []string{
			"spring.datasource.username=app\nspring.datasource.password=«s»", "javax.net.ssl.keyStorePassword=«s»", "server.ssl.key-store-password: «s»", "db.default.password=\"«s»\"",
			"ssl.truststore.password=«s»\nsasl.mechanism=PLAIN",
		}},
		{"xml-password", "«pw»", []string{
			"<server>\n  <id>nexus</id>\n  <username>ci</username>\n  <password>«s»</password>\n</server>", "<property name=\"password\" value=\"«s»\"/>",
			"<Connector port=\"8443\" keystorePass=\"«s»\" />", "<user username=\"tomcat\" password=\"«s»\" roles=\"manager-gui\"/>",
		}},
		{"kafka-sasl", "«pw»", []string{
			"sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"app\" password=\"«s»\";", "sasl.password=«s»",
			"Producer({'sasl.username': 'app', 'sasl.password': '«s»'})", "KAFKA_SASL_PASSWORD: «s»",
		}},
		{"netrc", "«upw»", []string{
			"machine github.com login jdoe password «s»", "machine api.heroku.com\n  login ops@example.com\n  password «s»", "default login anonymous password «s»", "cat ~/.netrc\nmachine git.example.com login ci password «s»",
		}},
		{"wifi-psk", "«pass»", []string{
			"network={\n  ssid=\"office\"\n  psk=\"«s»\"\n}", "nmcli dev wifi connect office password '«s»'", "WIFI:T:WPA;S:office;P:«s»;;", "wpa_passphrase=«s»",
		}},
		{"weak-password", "«short»", []string{
			"password: «s»", "DB_PASSWORD=«s»", "{\"user\":\"test\",\"password\":\"«s»\"}", "login with password=«s» please", "passwd = '«s»'",
		}},
		{"code-password", "«pw»", []string{
			"password := \"«s»\"", "var dbPassword = '«s»';", "private static final String PASSWORD = \"«s»\";", "$pass = '«s»';", "const password: &str = \"«s»\";",
			"String(apiSecret: \"«s»\")", "conn.login(user=\"root\", passwd=\"«s»\")",
		}},
		{"code-token", "«an:36»", []string{
			"authToken := \"«s»\"", "const API_TOKEN = '«s»';", "access_token = \"«s»\"", "setApiKey(\"«s»\") // api key of the shop", "auth: { token: \"«s»\" }", "let session_secret = \"«s»\";",
		}},
		{"webhook-secret", "«hex:40»", []string{
			"GITHUB_WEBHOOK_SECRET=«s»", "webhook:\n  url: https://ci.example.com/hook\n  secret: «s»", "hmac.new(b'«s»', body, 'sha256')  # webhook secret", "\"webhookSecret\": \"«s»\"",
		}},
		{"session-cookie", "«url:48»", []string{
			"Cookie: sessionid=«s»; theme=dark", "Set-Cookie: JSESSIONID=«s»; Path=/; HttpOnly", "curl -b 'session_token=«s»' https://app.example.com/me", "-H 'cookie: connect.sid=s%3A«s»'",
		}},
		{"api-key-header", "«an:40»", []string{
			"X-API-Key: «s»", "curl -H 'X-Api-Key: «s»' https://«host»/v1/x", "x-auth-token: «s»", "headers[\"apikey\"] = \"«s»\"", "PRIVATE-TOKEN: «s»",
		}},
		{"bearer-opaque", "«an:43»", []string{
			"Authorization: Bearer «s»", "authorization: bearer «s»", "-H \"Authorization: Token «s»\"", "req.Header.Set(\"Authorization\", \"Bearer «s»\")", "'Authorization' => 'Bearer «s»'",
		}},
		{"query-secret", "«hex:32»", []string{
			"https://api.example.com/weather?q=Bonn&api_key=«s»", "GET /feed.xml?auth_token=«s»&n=20 HTTP/1.1", "https://app.example.com/hook?secret=«s»", "«ip» - - \"GET /v1/me?access_token=«s» HTTP/2\" 200 «n»",
			"https://example.com/cb#access_token=«s»&token_type=bearer&expires_in=3600",
		}},
		{"form-password", "«pw»", []string{
			"POST /login\nusername=jdoe&password=«s:url»", "curl -d 'grant_type=password&username=jdoe&password=«s:url»' https://sso.example.com/token", "curl --data-urlencode 'password=«s»' https://app.example.com/login",
			"payload: user=root&pass=«s:url»&submit=1",
		}},
		{"reset-link", "«url:43»", []string{
			"https://app.example.com/reset-password?token=«s»", "Reset link: https://example.com/users/password/edit?reset_password_token=«s»", "https://example.com/invite/accept?invitation_token=«s»", "https://login.example.com/magic?auth_token=«s»",
		}},
	}
}

// reviewerShells are passwords on command lines.
func reviewerShells() []reviewerKind {
	return []reviewerKind{
		{"mysql-flag", "«upw»", []string{
			"mysql -u root -p«s» shop < dump.sql", "mysqldump -h «host» -uapp -p«s» --single-transaction shop", "mysqladmin -u root --password=«s» status", "docker exec db mysql -uroot -p«s» -e 'show databases'",
		}},
		{"curl-user", "«upw»", []string{
			"curl -u admin:«s» http://«host»:9200/_cat/indices", "curl --user 'elastic:«s»' https://«host»:9200", "http -a jdoe:«s» https://api.example.com/me", "curl -k -X PUT -uadmin:«s» https://«host»/x",
		}},
		{"sshpass", "«upw»", []string{
			"sshpass -p '«s»' ssh root@«ip»", "sshpass -p «s» scp a.tgz deploy@«host»:/srv", "SSHPASS='«s»' sshpass -e ssh deploy@«host»", "rsync --rsh=\"sshpass -p «s» ssh -l deploy\" a/ «host»:b/",
		}},
		{"docker-login", "«upw»", []string{
			"docker login -u ci -p «s» registry.example.com", "docker login --username ci --password «s»", "echo '«s»' | docker login registry.example.com -u ci --password-stdin", "helm registry login r.example.com -u ci -p «s»",
			"podman login -u ci --password=«s» quay.io",
		}},
		{"password-flag", "«upw»", []string{
			"./deploy --user ci --password «s»", "app serve --db-password=«s» --port 80", "keytool -genkey -keystore k.jks -storepass «s»", "openssl pkcs12 -in a.p12 -passin pass:«s» -nodes", "restic --password-command 'echo «s»' snapshots",
		}},
		{"sudo-pipe", "«upw»", []string{
			"echo '«s»' | sudo -S apt-get update", "echo \"root:«s»\" | chpasswd", "net user deploy «s» /add", "echo «s» | kinit jdoe@EXAMPLE.COM", "useradd -p $(openssl passwd -1 «s») dev",
		}},
		{"powershell", "«pw»", []string{
			"$cred = New-Object PSCredential('svc', (ConvertTo-SecureString '«s»' -AsPlainText -Force))", "$Password = \"«s»\"", "ConvertTo-SecureString -String \"«s»\" -AsPlainText -Force", "setx DB_PASSWORD \"«s»\"",
		}},
		{"ci-variable", "«pw»", []string{
			"gh secret set DB_PASSWORD --body '«s»'", "heroku config:set MAIL_PASSWORD='«s»'", "variables:\n  DEPLOY_PASSWORD: «s»", "      env:\n        REGISTRY_PASSWORD: «s»", "flyctl secrets set ADMIN_PASSWORD='«s»'",
		}},
		{"ldap-bind", "«upw»", []string{
			"ldapsearch -x -D cn=admin,dc=example,dc=com -w «s» -b dc=example,dc=com", "bindpw «s»", "LDAP_BIND_PASSWORD=«s»", "ldap_default_authtok = «s»",
		}},
		{"log-password", "«pw»", []string{
			"«date»T«time»Z DEBUG login attempt user=jdoe password=«s» ip=«ip»", "level=debug msg=\"connecting\" user=app password=«s»", "INFO o.s.b.a: Using generated security password: «s»", "[Config] {user: 'app', password: '«s»'}",
		}},
	}
}

// reviewerProse are passwords that people and agents tell each other.
func reviewerProse() []reviewerKind {
	return []reviewerKind{
		{"prose-english", "«pass»", []string{
			"The password is «s», please don't share it.", "the staging password is \"«s»\" if you need it", "Use admin / «s» to log in.", "login: admin, password: «s»", "my password for the VPN is «s»",
			"I set the root password to «s» yesterday.", "pw: «s»", "Username: jdoe\nPassword: «s»",
		}},
		{"prose-english-strong", "«pw»", []string{
			"The new database password is `«s»`.", "password = «s» (from 1Password)", "creds for grafana: admin:«s»", "Please log in with user qa and password «s»", "I rotated it, the new secret is «s»",
			"temporary password: «s» (change it at first login)",
		}},
		{"prose-passphrase", "«phrase»", []string{
			"passphrase: «s»", "The passphrase of the key is «s».", "gpg --batch --passphrase «s» -d a.gpg", "BORG_PASSPHRASE='«s»'", "RESTIC_PASSWORD=«s»",
		}},
		{"prose-german", "«pass»", []string{
			"Das Passwort lautet «s».", "Passwort: «s»", "Benutzer: admin, Kennwort: «s»", "Das Kennwort für die Datenbank ist «s», bitte nicht weitergeben.", "Mit dem Passwort \"«s»\" klappt die Anmeldung.",
		}},
		{"prose-spanish", "«pass»", []string{
			"La contraseña es «s».", "contraseña: «s»", "usuario: admin, clave: «s»", "La contraseña de la base de datos es \"«s»\", no la compartas.", "Contraseña nueva: «s»",
		}},
		{"prose-french", "«pass»", []string{
			"Le mot de passe est «s».", "mot de passe : «s»", "Identifiant : admin\nMot de passe : «s»", "Le mot de passe de la base est \"«s»\", merci de ne pas le partager.", "Mot de passe provisoire : «s»",
		}},
		{"prose-api-key", "«an:40»", []string{
			"The API key is «s».", "my api key: «s»", "use this token: «s»", "Der API-Schlüssel lautet «s».", "La clé API est «s».", "La clave de API es «s».", "the access token is `«s»`",
		}},
	}
}
