# Whose the stack's token was, while they may still do what the stack needs; otherwise the first who may.
kept = PersonalAccessToken.find_by_token('@KEPT@')
user = User.admins.active.find_by(id: kept&.user_id) || User.admins.active.order(:id).first || raise('no active administrator in this GitLab')
token = user.personal_access_tokens.create(name: 'auto-devops', scopes: ['api', 'read_repository', 'write_repository'], expires_at: '@EXPIRES@')
token.set_token('@TOKEN@')
token.save!
